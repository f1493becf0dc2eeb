# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job went on each host: by the playbook's recap or, where there is none, by its events."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report import values
from ansible_collections.jobpods.controller.plugins.module_utils.report.tasks import RESULTS, result_of

RECAP = {
    "ok": "ok",
    "changed": "changed",
    "unreachable": "dark",
    "failed": "failures",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}
"""What is counted for a host, in the order of Ansible's own recap, and what the event calls it."""
BAD = ("failed", "unreachable")


class HostCounts:
    """The hosts of a job, with what is counted for each.

    Attributes:
        recap: the counts are the playbook's own.
        hosts: the counts; failed hosts first, else as they came.
        left_out: how many hosts there are that are not in `hosts`.
    """

    def __init__(self, limit: int) -> None:
        """Nothing yet.

        Args:
            limit: how many hosts are kept.
        """
        self.recap = False
        self.left_out = 0
        self.hosts: dict[str, Counter[str]] = {}
        self._limit = limit

    def add(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Takes an event of the name `kind`."""
        if kind == "playbook_on_stats":
            self._take(facts)
        elif kind in RESULTS and not self.recap:
            host = values.name(facts.get("host"))
            if host not in self.hosts and len(self.hosts) >= self._limit:
                self.left_out = 1  # at least: who else has none yet is not kept
                return
            result = result_of(kind, facts)
            counts = self.hosts.setdefault(host, Counter())
            counts[result] += 1
            if result in ("changed", "ignored"):  # which Ansible counts as ok, too
                counts["ok"] += 1

    def _take(self, facts: Mapping[str, Any]) -> None:
        counted = {name: values.mapping(facts.get(key)) for name, key in RECAP.items()}
        names = dict.fromkeys(host for hosts in counted.values() for host in hosts)

        def badness(host: str) -> bool:
            return any(values.count(counted[name].get(host)) for name in BAD)

        kept = heapq.nlargest(self._limit, names, key=badness)
        self.recap = True
        self.left_out = len(names) - len(kept)
        self.hosts = {
            values.name(host): Counter(
                {name: number for name, hosts in counted.items() if (number := values.count(hosts.get(host)))}
            )
            for host in kept
        }

    @property
    def failed(self) -> set[str]:
        """The hosts that count as failed or unreachable."""
        return {host for host, counts in self.hosts.items() if any(counts[name] for name in BAD)}
