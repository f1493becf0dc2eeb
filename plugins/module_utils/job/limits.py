# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of jobs, where nobody says otherwise: times in seconds, and what a run may send."""

from __future__ import annotations

from dataclasses import dataclass

LIMITS = {"pod_pending_timeout": 7200, "image_pull_timeout": 120, "cluster_outage_timeout": 300}
"""Those of a container group, which a job may override; the first is AWX's."""
LOST_ATTACHED = 600
LOST_DETACHED = 3600
"""Without its controller a pod ends its run after so long, with `wait` and without."""
REFUSAL_GRACE = 5.0
"""The API server may refuse a job for so long before its supervisor has answered: after its own start it
knows nobody's rights for a while, and a load balancer before it may answer in its place."""
MAX_SECONDS = 30 * 24 * 3600
"""What any limit may be at most."""
MAX_SLICES = 1000
"""Into how many jobs one may be sliced."""


@dataclass(frozen=True)
class OutputLimits:
    """How much a run may send, so that one that floods its controller ends.

    Attributes:
        max_events: how many events.
        max_event_size: bytes of each; it is in memory as a whole, and takes several times as much there.
        max_output_size: bytes of all that the runner writes.
    """

    max_events: int = 10_000_000
    max_event_size: int = 32 << 20
    max_output_size: int = 16 << 30


DEFAULT_OUTPUT = OutputLimits()
MOST_OUTPUT = {"max_events": 1 << 30, "max_event_size": 256 << 20, "max_output_size": 1 << 50}
"""What each of them may be at most."""
