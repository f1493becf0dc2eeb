# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts pip into an empty virtual environment, from what Python itself brings.

ansible-test downloads a script for that from a web site of its own, unless it finds one in its cache, where
tests/check.sh puts this one. So the sanity tests need nothing but a package index.
"""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys


def main() -> int:
    """Install pip, then what was asked for with it.

    Returns:
        pip's exit status.
    """
    ensurepip.bootstrap()
    # ensurepip leaves these behind, and they would hide the user's own package index from pip.
    for name in ("PIP_CONFIG_FILE", "ENSUREPIP_OPTIONS"):
        os.environ.pop(name, None)
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    return subprocess.call([sys.executable, "-m", "pip", "install", *arguments])


if __name__ == "__main__":
    sys.exit(main())
