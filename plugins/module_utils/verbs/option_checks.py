# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a task's options: each sentence names the option, what was given, and what is right.

Ansible's own validation comes after this: it takes more for a text or a number than is meant, says less, and
repeats whole values, which may be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible.module_utils.common.validation import check_type_bool, check_type_dict
from ansible_collections.jobpods.controller.plugins.module_utils.failures import did_you_mean, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line

SHOWN_AT_MOST = 80
"""Characters that a sentence shows of a value, or of an option's name."""
WANTED = {
    "bool": "true or false",
    "bytes": "a size like 64M",
    "dict": "a mapping",
    "int": "a whole number",
    "list": "a list",
    "path": "text",
    "str": "text",
}
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)

Spec = Mapping[str, Any]


def troubles(given: Mapping[str, Any], spec: Spec, where: str, owner: str) -> list[str]:
    """What is wrong with options, one sentence for each; nothing where all is well.

    Args:
        given: the options; none is null.
        spec: what options there are, as Ansible's argument specs.
        where: the option that they are in; empty for a module's own.
        owner: who has them, for the sentences: that option, or the module.
    """
    inside = f"{where}." if where else ""
    found = [
        f"{owner} has no option {one_line(name, SHOWN_AT_MOST)}; {_instead(name, spec)}"
        for name in given
        if rule_of(name, spec) is None
    ]
    found += [_twice(names, where) for names in _given_names(spec, given) if len(names) > 1]
    found += [
        f"{inside}{names[0]} is missing."
        for names in _names(spec)
        if spec[names[0]].get("required") and not any(name in given for name in names)
    ]
    for name, value in given.items():
        rule = rule_of(name, spec)
        if rule is not None:
            found += _value_troubles(f"{inside}{name}", rule, value)
    return found


def rule_of(option: str, spec: Spec) -> Spec | None:
    """The rule for an option, by its name or an alias."""
    if option in spec:
        found: Spec = spec[option]
        return found
    return next((rule for rule in spec.values() if option in rule.get("aliases", ())), None)


def is_text(value: object) -> bool:
    """Whether a value can be meant as text: a number can, and what is vaulted, but not `yes`."""
    plain = isinstance(value, (str, int, float)) or bool(getattr(value, "__ENCRYPTED__", False))
    return plain and not isinstance(value, bool)


def _names(spec: Spec) -> list[tuple[str, ...]]:
    return [(option, *rule.get("aliases", ())) for option, rule in spec.items()]


def _given_names(spec: Spec, given: Mapping[str, Any]) -> list[list[str]]:
    """Of each option, the names under which it is given."""
    return [[name for name in names if name in given] for names in _names(spec)]


def _instead(name: str, spec: Spec) -> str:
    known = [each for names in _names(spec) for each in names]
    close = did_you_mean(name, known)
    return f"did you mean {close}?" if close else f"it has {', '.join(sorted(spec))}."


def _twice(names: Sequence[str], where: str) -> str:
    begin = f"{where}: " if where else ""
    return f"{begin}{' and '.join(names)} are two names of one option; give one of them."


def _value_troubles(name: str, rule: Spec, value: object) -> list[str]:
    kind = rule.get("type", "str")
    if kind == "list":
        return _list_troubles(name, rule, value)
    if kind == "dict":
        return _mapping_troubles(name, rule, value)
    trouble = _plain_trouble(name, rule, kind, value)
    return [trouble] if trouble else []


def _plain_trouble(name: str, rule: Spec, kind: str, value: object) -> str:
    wanted = WANTED.get(kind)
    if wanted is None:  # of any kind
        return ""
    if kind in ("str", "path"):
        if isinstance(value, bool) and not rule.get("choices"):
            return f"{name} must be text, but it is {kind_of(value)}; put it in quotes if that is the text."
        readable = is_text(value) or isinstance(value, bool)
    elif isinstance(value, (Mapping, list, tuple)):
        readable = False
    elif not _READABLE[kind](value):
        if rule.get("choices"):
            wanted = _alternatives(rule["choices"])
        return f"{name} is {_shown(rule, value)}; it must be {wanted}."
    else:
        readable = True
    if not readable:
        return f"{name} must be {wanted}, but it is {kind_of(value)}."
    choices = rule.get("choices")
    if choices and str(value).strip() not in map(str, choices):
        return f"{name} is {_shown(rule, value)}; it must be {_alternatives(choices)}."
    return ""


def _mapping_troubles(name: str, rule: Spec, value: object) -> list[str]:
    options = rule.get("options")
    if isinstance(value, Mapping):
        known = {str(key): inner for key, inner in value.items() if inner is not None}
        return troubles(known, options, name, name) if options else []
    try:
        check_type_dict(value)  # JSON, or key=value
    except (TypeError, ValueError):
        return [f"{name} must be a mapping, but it is {kind_of(value)}."]
    return []


def _list_troubles(name: str, rule: Spec, value: object) -> list[str]:
    if isinstance(value, (Mapping, bool)):
        return [f"{name} must be a list, but it is {kind_of(value)}."]
    elements: Sequence[object] = value if isinstance(value, (list, tuple)) else str(value).split(",")
    inner = {key: rule[key] for key in ("choices", "no_log", "options") if key in rule}
    inner["type"] = rule.get("elements", "raw")
    found: list[str] = []
    for index, each in enumerate(elements):
        found += _value_troubles(f"{name}[{index}]", inner, each)
    return found


def _is_whole(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) or bool(_WHOLE.fullmatch(str(value)))


def _is_size(value: object) -> bool:
    try:
        human_to_bytes(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _is_truth(value: object) -> bool:
    try:
        check_type_bool(value)
    except TypeError:
        return False
    return True


_READABLE = {"bool": _is_truth, "bytes": _is_size, "int": _is_whole}


def _shown(rule: Spec, value: object) -> str:
    """A value as a sentence shows it."""
    if rule.get("no_log"):
        return "not readable"
    text = one_line(str(value), SHOWN_AT_MOST)
    return kind_of(value) if isinstance(value, bool) else (repr(text) if isinstance(value, str) else text)


def _alternatives(choices: Iterable[object]) -> str:
    """`a, b or c`; an empty text is one, too."""
    *first, last = [str(choice) or "empty" for choice in choices]
    return f"{', '.join(first)} or {last}" if first else last
