# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML texts of users: read as Ansible does, with the line where that fails, and no value shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_text import (
    parsed_mapping,
    plain_mapping,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n3033\n6535\n"


def read(given: object) -> dict[str, Any]:
    return plain_mapping(parsed_mapping(given, "variables"), "variables")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(None, {}, id="nothing"),
        pytest.param("", {}, id="empty text"),
        pytest.param("# nothing\n", {}, id="comment"),
        pytest.param({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, id="mapping"),
        pytest.param("a: 1\nb: [x, 1.5, yes]\n", {"a": 1, "b": ["x", 1.5, True]}, id="YAML"),
        pytest.param('{"a": {"b": "c"}}', {"a": {"b": "c"}}, id="JSON"),
        pytest.param(
            "d: 2024-01-02\nt: 2024-01-02 03:04:05",
            {"d": "2024-01-02", "t": "2024-01-02T03:04:05"},
            id="dates",
        ),
        pytest.param("s: !!set {b, a}", {"s": ["a", "b"]}, id="set"),
        pytest.param(
            "{2: a, null: b, true: c, 2024-01-02: d}",
            {"2": "a", "null": "b", "true": "c", "2024-01-02": "d"},
            id="keys",
        ),
        pytest.param(
            "x: &x {a: 1}\ny: {<<: *x, b: 2}", {"x": {"a": 1}, "y": {"a": 1, "b": 2}}, id="merge key"
        ),
        pytest.param(
            "p: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3033\n  6535\n",
            {"p": {"__ansible_vault": VAULTED}},
            id="vault",
        ),
        pytest.param("u: !unsafe '{{ x }}'", {"u": {"__ansible_unsafe": "{{ x }}"}}, id="unsafe"),
        pytest.param(
            "u: !unsafe [a, {b: c, d: 1}]",
            {"u": [{"__ansible_unsafe": "a"}, {"b": {"__ansible_unsafe": "c"}, "d": 1}]},
            id="unsafe list",
        ),
        pytest.param("u: !unsafe {a: b}", {"u": {"a": {"__ansible_unsafe": "b"}}}, id="unsafe mapping"),
    ],
)
def test_what_is_read(given: object, expected: dict[str, Any]) -> None:
    assert read(given) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param("a: 1\nb: [secret", r"variables is not valid YAML \(line [23], column", id="syntax"),
        pytest.param("a: 1\n\tb: secret", r"variables is not valid YAML \(line 2, column 1\)", id="tab"),
        pytest.param("a: 1\na: secret", r"\(line 2, column 1\): the key 'a' stands twice", id="key twice"),
        pytest.param(
            "a: !other secret", r"\(line 1, column 4\): could not determine a constructor", id="tag"
        ),
        pytest.param("a: 2024-13-45", "variables is not valid YAML: month must be", id="date"),
        pytest.param("- secret", "variables must be a mapping, but it is a list", id="list"),
        pytest.param("secret", "variables must be a mapping, but it is text", id="text"),
        pytest.param(["secret"], "variables must be a mapping, but it is a list", id="given list"),
        pytest.param(VAULTED, "variables is vaulted as a whole; give its decrypted text", id="vaulted"),
        pytest.param("a: &a [*a]", r"variables.a\[0\] is within itself", id="endless"),
        pytest.param(
            "a: !!binary c2VjcmV0", "variables.a is a bytes, which an inventory can't hold", id="bytes"
        ),
    ],
)
def test_what_is_refused(given: object, words: str) -> None:
    with pytest.raises(Failure, match=words) as refused:
        read(given)
    assert refused.value.reason == "InvalidConfiguration"
    assert "secret" not in refused.value.message
