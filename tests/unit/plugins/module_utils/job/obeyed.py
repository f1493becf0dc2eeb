# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a terminal would obey, where it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b\x1bP+q\x1b\\\x08\x7f"
"""Clears the screen, gives the window a title, and more."""
UNFINISHED = "\x1b]8;;http://"
"""The beginning of a link: for a terminal, what comes after it belongs to it."""

_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def obeyed(value: Any) -> list[str]:
    """The texts in a value, at any depth, that a terminal would do more with than show them."""
    return [text for text in _texts(value) if _OBEYED.search(text)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
