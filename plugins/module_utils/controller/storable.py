# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts, numbers and JSON as every database takes them."""

from __future__ import annotations

import json
from typing import Any

MAX_ID = (1 << 31) - 1
"""The greatest number that a column of ids holds."""


def storable_text(text: str, length: int | None = None) -> str:
    """A text without what can't be stored.

    That is lone surrogates, which no database takes, and NUL, which PostgreSQL doesn't. PostgreSQL refuses
    what is longer than its column, too.

    Args:
        text: anything.
        length: characters to keep of it.
    """
    plain = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return plain[:length]


def storable_json(value: Any) -> Any:
    """A value as JSON's own grammar has it: numbers like NaN, which PostgreSQL refuses, become text."""
    return json.loads(json.dumps(value), parse_constant=str)


def is_storable(text: str) -> bool:
    """Whether a text can be stored as it is."""
    return storable_text(text) == text


def is_id(number: int) -> bool:
    """Whether a number may be an object's or a job's; databases refuse to compare ids with greater ones."""
    return 0 < number <= MAX_ID
