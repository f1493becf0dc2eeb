# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests in which the connection between a job and its pod breaks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_collections.jobpods.controller.tests.chaos.connection.numbered import (
    NumberedJobs,
    Numbers,
    Printed,
)
from ansible_collections.jobpods.controller.tests.chaos.connection.toxiproxy import (
    Toxiproxy,
    running_toxiproxy,
)


@pytest.fixture(scope="session")
def printed_without_faults() -> dict[Numbers, Printed]:
    """What jobs print where nothing breaks, found out once for each."""
    return {}


@pytest.fixture
def jobs(
    tmp_path: Path,
    group: dict[str, Any],
    temporary_files: Path,
    printed_without_faults: dict[Numbers, Printed],
) -> Iterator[NumberedJobs]:
    """Starts jobs that print numbered lines; they end with the test at the latest."""
    with ExitStack() as stack:
        yield NumberedJobs(tmp_path, group, printed_without_faults, stack)


@pytest.fixture(scope="session")
def api_server(kubeconfig: Path) -> str:
    """Host and port of the API server."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    return str(urlsplit(config["clusters"][0]["cluster"]["server"]).netloc)


@pytest.fixture
def toxiproxy(local: Path, tmp_path: Path, api_server: str) -> Iterator[Toxiproxy]:
    """A network that can be made bad."""
    with running_toxiproxy(local / "cache", tmp_path, free_port(), api_server) as running:
        yield running


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
