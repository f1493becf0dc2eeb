# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a Pod, or with a part of one, as far as it can be told without an API server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.pod.fields import (
    CONTAINER,
    MAPPING,
    NUMBER,
    POD,
    PORT,
    QUANTITY,
    SPEC,
    TEXT,
    TRUTH,
)

Path = tuple["str | int", ...]
"""Where a field is: names, and numbers of list items."""

_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a field.

    Attributes:
        path: which one.
        words: what is wrong, as the rest of a sentence that begins with the field.
        unknown: the table does not know the field; an API server may.
    """

    path: Path
    words: str
    unknown: bool = False


def faults(pod: Mapping[str, Any]) -> Iterator[Fault]:
    """All that is wrong with a pod, or with a part of one that will be merged with another.

    A null is right anywhere: for Kubernetes it is as if the field weren't there.
    """
    yield from _faults(pod, POD, ())


def dotted(path: Path) -> str:
    """A path as Kubernetes writes it, for example `spec.containers[0].image`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def parsed(field: str) -> Path:
    """The path that `dotted` wrote; text in brackets that is no number, as in `labels[a.b]`, is a name."""
    parts: list[str | int] = []
    for name, bracketed in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", field):
        parts.append(name or (int(bracketed) if bracketed.isdecimal() else bracketed))
    return tuple(parts)


def meant(path: Path) -> str:
    """The name that is likely meant by an unknown field; empty where none is likely."""
    *parent, last = path
    name = str(last)
    siblings = _known(tuple(parent))
    by_case = {known.lower(): known for known in siblings}
    near = by_case.get(name.lower()) or next(iter(get_close_matches(name, siblings, 1, 0.75)), "")
    if near:
        return near
    for home, table in (("spec", SPEC), ("spec.containers[]", CONTAINER), ("metadata", POD["metadata"])):
        if name in table:
            return f"{home}.{name}"
    return ""


def _known(path: Path) -> list[str]:
    """The names that the table knows below a path."""
    rule: Any = POD
    for part in path:
        if isinstance(rule, list) and isinstance(part, int):
            rule = rule[0]
        elif isinstance(rule, dict):
            rule = rule.get(str(part), rule.get(f"{part}!", rule.get("*")))
        else:
            return []
    return [name.rstrip("!") for name in rule if name != "*"] if isinstance(rule, dict) else []


def _faults(value: Any, rule: Any, path: Path) -> Iterator[Fault]:
    if value is None:
        return
    if isinstance(rule, list):
        if not isinstance(value, list):
            yield _wrong(path, "list", value)
            return
        for index, item in enumerate(value):
            if item is None:
                yield Fault((*path, index), "is null; a list has no empty items")
            yield from _faults(item, rule[0], (*path, index))
    elif isinstance(rule, dict) or rule == MAPPING:
        if not isinstance(value, Mapping):
            yield _wrong(path, MAPPING, value)
        elif isinstance(rule, dict):
            yield from _faults_of_mapping(value, rule, path)
    elif not _RIGHT[rule](value):
        yield _wrong(path, rule, value)


def _faults_of_mapping(value: Mapping[str, Any], rule: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    for required in (name[:-1] for name in rule if name.endswith("!")):
        if value.get(required) is None:
            yield Fault((*path, required), "is missing")
    for name, item in value.items():
        inner = rule.get(name, rule.get(f"{name}!", rule.get("*")))
        if inner is None:
            likely = meant((*path, name))
            hint = f"; do you mean {likely}?" if likely else ""
            yield Fault((*path, name), f"is not a field that is known here{hint}", unknown=True)
        else:
            yield from _faults(item, inner, (*path, name))


def _wrong(path: Path, wanted: str, value: Any) -> Fault:
    if isinstance(value, (Mapping, list)):
        found, hint = ("a mapping" if isinstance(value, Mapping) else "a list"), ""
    else:
        written = json.dumps(value)
        found = f"{'the text ' if isinstance(value, str) else ''}{written[:80]}"
        hint = f'; put it in quotes: "{written}"' if wanted == TEXT else ""
        if wanted in (NUMBER, TRUTH) and isinstance(value, str):
            hint = "; write it without quotes" if _RIGHT[wanted](_unquoted(value)) else ""
    wanted = wanted if wanted == TRUTH else f"a {wanted}"
    return Fault(path, f"must be {wanted}, but it is {found}{hint}")


def _unquoted(text: str) -> Any:
    try:
        return json.loads(text.lower())
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_quantity(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_QUANTITY.fullmatch(value.strip()))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_RIGHT: dict[str, Callable[[Any], bool]] = {
    TEXT: lambda value: isinstance(value, str),
    NUMBER: _is_number,
    TRUTH: lambda value: isinstance(value, bool),
    QUANTITY: _is_quantity,
    PORT: lambda value: _is_number(value) or isinstance(value, str),
}
