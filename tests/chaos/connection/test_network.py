# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network between controller and API server cuts, stalls, crawls and lags, for one job each."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.jobpods.controller.tests.chaos.connection.numbered import (
    AGAIN,
    RUNS_ON,
    NumberedJobs,
    Numbers,
)
from ansible_collections.jobpods.controller.tests.chaos.connection.toxiproxy import Toxiproxy

CUT = Numbers(lines=200, width=2000)
STALLED = Numbers(lines=300)
CRAWLING = Numbers(lines=20, width=2000)
LAGGING = Numbers(lines=100)
BYTES = 100_000
"""After so many a connection is cut: in the middle of a record, which has up to 32 KiB."""


def add_ballast(project: Path) -> None:
    """So that the payload needs several connections, too."""
    (project / "ballast").write_bytes(os.urandom(4 * BYTES))


def test_it_cuts_stalls_crawls_and_lags(jobs: NumberedJobs, toxiproxy: Toxiproxy) -> None:
    cutting, stalling, crawling, lagging = map(toxiproxy.link, ("cut", "stall", "crawl", "lag"))
    cutting.worsen("limit_data", bytes=BYTES)
    cutting.worsen("limit_data", "upstream", bytes=2 * BYTES)
    crawling.worsen("bandwidth", rate=2)
    crawling.worsen("bandwidth", "upstream", rate=2)
    lagging.worsen("latency", latency=1500, jitter=500)
    lagging.worsen("latency", "upstream", latency=1500, jitter=500)

    stalled = jobs.start(STALLED, jobs.connection("stall", stalling.port), pace=0.1)
    crawled = jobs.start(CRAWLING, jobs.connection("crawl", crawling.port))
    lagged = jobs.start(LAGGING, jobs.connection("lag", lagging.port), pace=0.2)
    cut = jobs.start(CUT, jobs.connection("cut", cutting.port), pace=0.05, prepare=add_ballast)

    stalled.await_line(20)
    for stream in ("upstream", "downstream"):
        stalling.worsen("timeout", stream, timeout=0)  # it takes bytes, passes none on, and closes nothing
    stalled.await_text(RUNS_ON)
    for stream in ("upstream", "downstream"):
        stalling.mend("timeout", stream)
    stalled.await_text(AGAIN)

    jobs.check(stalled, STALLED)
    jobs.check(lagged, LAGGING)
    jobs.check(crawled, CRAWLING)
    jobs.check(cut, CUT)
    assert cut.breaks > 1
