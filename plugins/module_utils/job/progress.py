# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running job tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch


class Progress(Protocol):
    """Hears about a job while it runs; implementations never block and never raise."""

    def step(self, text: str, verbosity: int = 0) -> None:
        """Something happened: a pod was created, scheduled, ...; shown from `verbosity` on (0: always)."""

    def warning(self, text: str) -> None:
        """Something went wrong that may go away."""

    def events(self, batch: Batch) -> None:
        """Events of the playbook, which are also on their way to the store."""

    def forgotten(self) -> None:
        """The store forgets the events so far: the playbook may start again, with other ones."""
