# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a kubeconfig's exec plugin or auth provider for credentials; run as a program of its own.

The Kubernetes client knows how to run them, but it blocks, has no time limit, leaves keys in temporary files
and is large. As a program it can be ended at any time, and takes all that with it.

Standard input: `{"kubeconfig": PATHS or MAPPING, "context": NAME}`. Standard output: `{"authorization":
HEADER, "client_certificate": PEM, "client_key": PEM}`, each perhaps null. What went wrong is on standard
error. Exit status 3 says that the Python package `kubernetes` is missing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MISSING_LIBRARY = 3


def main() -> int:
    """Read the request, log in, and print the credentials."""
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        from kubernetes import client, config
    except ImportError as error:
        print(error, file=sys.stderr)  # pylint: disable=ansible-bad-function  # no module: a program of its own
        return MISSING_LIBRARY
    read_files: Callable[..., None] = config.load_kube_config
    read_mapping: Callable[..., None] = config.load_kube_config_from_dict
    settings = client.Configuration()
    with tempfile.TemporaryDirectory(prefix="jobpods-") as folder:
        kubeconfig, context = request["kubeconfig"], request["context"]
        try:
            if isinstance(kubeconfig, str):
                read_files(kubeconfig, context, settings, temp_file_path=folder)
            else:
                read_mapping(kubeconfig, context, settings, persist_config=False, temp_file_path=folder)
        except config.ConfigException as error:
            print(error, file=sys.stderr)  # pylint: disable=ansible-bad-function  # no module: a program of its own
            return 1
        answer = {
            "authorization": next(iter(settings.api_key.values()), None),
            "client_certificate": Path(settings.cert_file).read_text() if settings.cert_file else None,
            "client_key": Path(settings.key_file).read_text() if settings.key_file else None,
        }
    print(json.dumps(answer))  # pylint: disable=ansible-bad-function  # no module: a program of its own
    return 0


if __name__ == "__main__":
    sys.exit(main())  # pylint: disable=ansible-bad-function  # no module: a program of its own
