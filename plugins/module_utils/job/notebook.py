# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a running job writes down what must not be forgotten."""

from __future__ import annotations

from typing import Any, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import Phase


class Notebook(Protocol):
    """A job's row and its events, for whoever runs the job."""

    async def note(self, **columns: Any) -> None:
        """Sets columns of the job's row."""

    async def next_attempt(self, lost: dict[str, Any], *, started: bool) -> None:
        """Keeps in mind that the job's pod was lost, and forgets the events that came from it.

        Args:
            lost: what is to be known of this attempt.
            started: its playbook may have begun.
        """

    def phase(self, phase: Phase, detail: str = "") -> float:
        """Goes on to a phase of the job's start, or tells more of one.

        Args:
            phase: which one.
            detail: what is waited for, or what came of it.

        Returns:
            Seconds that the phase before it has lasted; 0 where it is none that begins now.
        """

    def begun(self, task: str = "") -> None:
        """The start is over: this is the playbook's first task, or the job needs none."""

    def record(self, batch: Batch) -> None:
        """Takes events to the store; `Run.stored` is told when they are there."""
