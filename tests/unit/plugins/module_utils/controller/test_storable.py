# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every database takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import (
    MAX_ID,
    is_id,
    is_storable,
    storable_json,
    storable_text,
)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("", ""),
        ("ü🐄\r\n\x1b[0m", "ü🐄\r\n\x1b[0m"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a?b"),
        ("\ud83d\udc04", "??"),
    ],
    ids=ascii,
)
def test_text(text: str, stored: str) -> None:
    assert storable_text(text) == stored
    assert is_storable(text) == (text == stored)


def test_text_is_cut() -> None:
    assert storable_text("abc", 2) == "ab"
    assert storable_text("🐄" * 3, 2) == "🐄" * 2


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        ({"a": [1, 1.5, True, None, "\ud800\0"]}, {"a": [1, 1.5, True, None, "\ud800\0"]}),
        ([float("nan"), float("inf"), {"a": float("-inf")}], ["NaN", "Infinity", {"a": "-Infinity"}]),
        ({1: (2, 3)}, {"1": [2, 3]}),
    ],
    ids=ascii,
)
def test_json(value: Any, stored: Any) -> None:
    assert storable_json(value) == stored


def test_deep_json() -> None:
    value: Any = json.loads("[" * 500 + "]" * 500)
    assert storable_json(value) == value


@pytest.mark.parametrize(("number", "known"), [(1, True), (MAX_ID, True), (0, False), (-1, False)], ids=str)
def test_ids(number: int, known: bool) -> None:
    assert is_id(number) == known
    assert not is_id(MAX_ID + 1)
