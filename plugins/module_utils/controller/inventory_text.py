# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML texts that users write for inventories: read as Ansible does, into values that JSON knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of

VAULT = "__ansible_vault"
UNSAFE = "__ansible_unsafe"
"""Ansible's marks in JSON for a vaulted text, and for one that is no template, whatever stands in it."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the first is C's, and optional
    """YAML with Ansible's tags, in which no key stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping; refuses keys that would be lost."""
        seen: set[str] = set()
        for key, _value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice in a mapping", key.start_mark
                )
            seen.add(str(key.value))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _vaulted(loader: _Loader, node: Any) -> dict[str, str]:
    return {VAULT: loader.construct_scalar(node)}


def _unsafe(loader: _Loader, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _marked(loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return _marked(loader.construct_sequence(node, deep=True))
    return _marked(loader.construct_scalar(node))


def _marked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    return {UNSAFE: value} if isinstance(value, str) else value


for _tag, _construct in (("!vault", _vaulted), ("!vault-encrypted", _vaulted), ("!unsafe", _unsafe)):
    _Loader.add_constructor(_tag, _construct)


def parsed_mapping(given: object, option: str) -> Mapping[Any, Any]:
    """A mapping that may be given as YAML or JSON text; its vaulted texts are marked as in Ansible's JSON.

    Args:
        given: the mapping or text; None and an empty text are an empty mapping.
        option: what the user calls it, for messages.

    Raises:
        Failure: `InvalidConfiguration`; it tells the line, and shows no value, since that may be secret.
    """
    if isinstance(given, str) and given.lstrip().startswith("$ANSIBLE_VAULT"):
        raise _invalid(
            f"{option} is vaulted as a whole; give its decrypted text, which the store keeps encrypted, or"
            " vault single values in it."
        )
    value = _parsed(given, option) if isinstance(given, str) else given
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _invalid(f"{option} must be a mapping, but it is {kind_of(value)}.")
    return value


def plain_mapping(given: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """A mapping made of what JSON knows: keys are texts, and dates, too.

    Args:
        given: the mapping.
        where: what the user calls it, for messages.

    Raises:
        Failure: `InvalidConfiguration`, where a value is nothing that JSON knows, or within itself.
    """
    plain: dict[str, Any] = _plain(given, where, ())
    return plain


def _parsed(text: str, option: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - it makes nothing but plain values
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise _invalid(f"{option} is not valid YAML{place}: {exc.problem or exc.context}.") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # ValueError: a date that is none
        raise _invalid(f"{option} is not valid YAML: {' '.join(str(exc).split())}.") from exc


def _plain(value: Any, place: str, above: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, date):  # or a datetime, which is one
        return value.isoformat()
    if id(value) in above:
        raise _invalid(f"{place} is within itself.")
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {_key(key): _plain(inner, f"{place}.{key}", inside) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, f"{place}[{index}]", inside) for index, inner in enumerate(value)]
    if isinstance(value, set):
        return sorted(_plain(inner, place, inside) for inner in value)
    raise _invalid(f"{place} is a {type(value).__name__}, which an inventory can't hold.")


def _key(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(key, default=str).strip('"')


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
