# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a running job writes down what must not be forgotten."""

from __future__ import annotations

from typing import Any, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch


class Notebook(Protocol):
    """A job's row and its events, for whoever runs the job."""

    async def note(self, **columns: Any) -> None:
        """Sets columns of the job's row."""

    def record(self, batch: Batch) -> None:
        """Takes events to the store; `Run.stored` is told when they are there."""
