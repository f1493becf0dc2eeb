# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often, and how soon, one request is sent again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RetryPolicy:
    """The rule for trouble that a second try a moment later may cure.

    Attributes:
        attempts: how often a request is sent at most.
        first_delay: seconds before the second try; each later delay is twice the one before.
        longest_delay: seconds; also the longest wait that a server's Retry-After is granted.
        statuses: HTTP statuses that are tried again.
    """

    attempts: int = 4
    first_delay: float = 0.25
    longest_delay: float = 5.0
    statuses: frozenset[int] = field(default=frozenset({429, 500, 502, 503, 504}))

    def delay(self, sent: int, retry_after: str | None = None) -> float | None:
        """Seconds to wait after the request was sent `sent` times, or None where that was the last try."""
        if sent >= self.attempts:
            return None
        own = self.first_delay * 2.0 ** (sent - 1)
        asked = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
        return min(self.longest_delay, max(own, asked))
