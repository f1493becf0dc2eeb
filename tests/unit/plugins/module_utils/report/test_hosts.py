# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recap of hosts."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report.hosts import HostCounts


def counted(events: list[tuple[str, dict[str, Any]]], limit: int = 10) -> HostCounts:
    """What these events add up to."""
    hosts = HostCounts(limit)
    for kind, facts in events:
        hosts.add(kind, facts)
    return hosts


STATS = {
    "ok": {"a": 3, "b": 1, "c": 2},
    "changed": {"a": 1},
    "failures": {"c": 1},
    "dark": {"b": 1},
    "ignored": 0,
}


def test_recap_counts_and_failed_hosts_come_first() -> None:
    hosts = counted([("runner_on_ok", {"host": "a"}), ("playbook_on_stats", STATS)])
    assert (hosts.recap, hosts.left_out, hosts.failed) == (True, 0, {"b", "c"})
    assert list(hosts.hosts) == ["b", "c", "a"]
    assert hosts.hosts["a"] == {"ok": 3, "changed": 1}


def test_too_many_hosts() -> None:
    hosts = counted([("playbook_on_stats", STATS)], limit=2)
    assert (list(hosts.hosts), hosts.left_out) == (["b", "c"], 1)


def test_without_a_recap_events_count() -> None:
    events: list[tuple[str, dict[str, Any]]] = [
        ("runner_on_ok", {"host": "a", "res": {"changed": True}}),
        ("runner_on_failed", {"host": "a", "ignore_errors": True}),
        ("runner_on_skipped", {"host": "b"}),
        ("runner_on_ok", {"host": "c"}),
    ]
    hosts = counted(events, limit=2)
    assert not hosts.recap
    assert hosts.hosts == {"a": {"ok": 2, "changed": 1, "ignored": 1}, "b": {"skipped": 1}}
    assert hosts.left_out == 1


def test_any_recap_of_a_pod_is_borne() -> None:
    wrong: dict[str, Any] = {
        "ok": {"a": "many", "b": -1, "c": True, "d": 10**40, "e": []},
        "dark": 7,
        "failures": None,
    }
    hosts = counted(
        [("playbook_on_stats", wrong), ("playbook_on_stats", {}), ("runner_on_ok", {"host": None})]
    )
    assert (hosts.hosts, hosts.failed) == ({}, set())
