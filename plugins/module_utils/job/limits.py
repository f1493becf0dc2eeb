# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time limits of jobs, in seconds, where nobody says otherwise."""

from __future__ import annotations

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
