# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job used stands beside what its pod asks for, with a quarter more as the suggestion."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.resources import (
    PodResources,
    Used,
    add_memory,
    bytes_of,
    job_resources,
    pod_resources,
)

MIB = 1 << 20
ASKED = PodResources({"cpu": "250m", "memory": "100Mi"}, {"memory": "300Mi"})


def test_a_pod_says_what_its_worker_asks_for() -> None:
    resources = {"limits": {"memory": "1Gi"}, "requests": {"memory": "100Mi", "cpu": 1}}
    pod = {"spec": {"containers": [{"name": "sidecar"}, {"name": "worker", "resources": resources}]}}
    asked = pod_resources(pod, "worker")
    assert asked == PodResources({"cpu": "1", "memory": "100Mi"}, {"memory": "1Gi"})
    assert asked.memory_limit == "1Gi"
    assert pod_resources(pod, "sidecar") == pod_resources({}, "worker") == PodResources()


@pytest.mark.parametrize(
    ("used", "out_of_memory", "suggested"),
    [
        pytest.param(Used(100 * MIB, 0.4, 9.0), False, {"cpu": "500m", "memory": "125Mi"}, id="all"),
        pytest.param(Used(100 * MIB + 1, 0.41, 9.0), False, {"cpu": "520m", "memory": "126Mi"}, id="up"),
        pytest.param(Used(0, 0.0), False, {"cpu": "10m", "memory": "1Mi"}, id="nothing"),
        pytest.param(Used(200 * MIB), True, {"memory": "375Mi"}, id="killed"),
        pytest.param(Used(), True, {"memory": "375Mi"}, id="killed-at-once"),
        pytest.param(Used(None, None, 1.5), False, {}, id="time-only"),
    ],
)
def test_a_quarter_more_than_was_used_is_suggested(
    used: Used, out_of_memory: bool, suggested: dict[str, str]
) -> None:
    assert job_resources(used, ASKED, out_of_memory=out_of_memory) == {
        "memory_peak": used.memory_peak,
        "cpu_p95": used.cpu_p95,
        "cpu_seconds": used.cpu_seconds,
        "requests": {"cpu": "250m", "memory": "100Mi"},
        "limits": {"memory": "300Mi"},
        "suggested_requests": suggested,
    }


def test_nothing_is_told_where_nothing_was_measured() -> None:
    assert job_resources(Used(), ASKED) is None
    assert job_resources(Used(), PodResources(), out_of_memory=True) is None


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("128974848", 128974848),
        ("300Mi", 300 * MIB),
        ("1.5Gi", 1536 * MIB),
        (".5k", 500),
        ("2E", 2 * 10**18),
        ("2Ei", 2 << 60),
        ("129e6", 129_000_000),
        ("1E3", 1000),
        ("1500m", 2),
        ("", None),
        ("much", None),
        ("-1", None),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(quantity: str, size: int | None) -> None:
    assert bytes_of(quantity) == size


@pytest.mark.parametrize(
    ("limit", "peak", "words", "details"),
    [
        pytest.param(
            "300Mi",
            200 * MIB,
            " The container's memory limit is 300Mi; the most that was seen in use is 200Mi.",
            {"memory_limit": "300Mi", "memory_peak": 200 * MIB},
            id="both",
        ),
        pytest.param(
            "", 1, " The most that was seen in use is 1Mi.", {"memory_peak": 1}, id="limit-of-the-node"
        ),
        pytest.param("", None, "", {}, id="neither"),
    ],
)
def test_who_was_killed_for_its_memory_hears_the_limit(
    limit: str, peak: int | None, words: str, details: dict[str, Any]
) -> None:
    failure = Failure("OOMKilled", "It was killed.")
    add_memory(failure, limit, peak)
    assert (failure.message, failure.details) == (f"It was killed.{words}", details)
