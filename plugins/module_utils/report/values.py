# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in events, which come from a pod and may be anything, as what the report needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import shortened
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line, plain_text

NAME = 200
"""Characters of a name."""
LONGEST = 10.0 * 366 * 86400
"""Seconds; what takes longer is no duration."""
MOST = 1 << 40
MOMENT_LENGTH = 40


def mapping(value: object) -> Mapping[str, Any]:
    """A mapping; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def name(value: object, limit: int = NAME) -> str:
    """A text on one line; empty where it is none."""
    return one_line(value[: limit * 4], limit) if isinstance(value, str) else ""


def words(value: object, limit: int) -> str:
    """A text with its line feeds, at most `limit` characters of it; empty where it is none."""
    if not isinstance(value, str):
        return ""
    cut = plain_text(value[: limit * 4]).strip()
    return shortened(f"{cut}…" if len(value) > limit * 4 else cut, limit)


def count(value: object) -> int:
    """A number of things; 0 where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        return 0
    return value


def seconds(value: object) -> float | None:
    """A duration; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST:
        return None
    return float(value)


def moment(value: object) -> float | None:
    """Seconds since the epoch of a moment as ISO 8601 tells it, in UTC where it has no zone; else None."""
    if not isinstance(value, str) or len(value) > MOMENT_LENGTH:
        return None
    try:
        parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
