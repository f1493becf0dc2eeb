# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests: a PostgreSQL server, started when the first of them needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server of the tests' own."""
    with running_postgresql() as server:
        yield server
