# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of stored objects: never shown, and kept where what stands for them is given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    shown_inputs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_records import Values
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

HIDDEN = "$encrypted$"
"""What is shown in place of a secret, as in AWX."""


def without_secrets(kind: str, option: str, values: Values) -> Any:
    """The value of an option as it may be shown.

    Args:
        kind: the object's kind.
        option: one of its own.
        values: all of the object's options.
    """
    value = values[option]
    if kind == "credential" and option == "inputs":
        return shown_inputs(values["credential_type"], value, HIDDEN)
    if kind == "container_group" and option in ("api_key", "kubeconfig"):
        # A kubeconfig may be a path, too.
        return HIDDEN if value and (option == "api_key" or isinstance(value, Mapping)) else value
    if option == "survey_spec":
        return _questions_changed(value, _shown_question)
    return value


def with_kept_secrets(kind: str, option: str, value: Any, stored: Any) -> Any:
    """The value that is meant by one in which `HIDDEN` stands for what is stored.

    Args:
        kind: the object's kind.
        option: one of its own.
        value: what somebody gave for it.
        stored: what it is until now.

    Raises:
        Failure: `InvalidConfiguration`, where nothing is stored that `HIDDEN` could stand for.
    """
    if kind == "credential" and option == "inputs" and isinstance(value, Mapping):
        return {name: _kept(f"inputs.{name}", each, stored.get(name)) for name, each in value.items()}
    if kind == "container_group" and option in ("api_key", "kubeconfig"):
        return _kept(option, value, stored)
    if option == "survey_spec":
        former = {question.get("variable"): question.get("default") for question in _questions(stored)}
        return _questions_changed(
            value, lambda question: _kept_question(question, former.get(question.get("variable")))
        )
    return value


def _kept(where: str, value: Any, stored: Any) -> Any:
    if value != HIDDEN:
        return value
    if not stored:
        raise Failure(
            "InvalidConfiguration",
            f"{where} is {HIDDEN}, which stands for what is stored, but nothing is; give its value.",
        )
    return stored


def _questions(spec: Any) -> list[Values]:
    """The questions of a survey; what is none, which nobody may have refused yet, is left out."""
    listed = spec.get("spec") if isinstance(spec, Mapping) else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _questions_changed(spec: Any, changed: Callable[[Values], Values]) -> Any:
    if not _questions(spec):
        return spec
    return {**spec, "spec": [changed(each) if isinstance(each, dict) else each for each in spec["spec"]]}


def _secret(question: Values) -> bool:
    return question.get("type") == "password"


def _shown_question(question: Values) -> Values:
    return {**question, "default": HIDDEN} if _secret(question) and question.get("default") else question


def _kept_question(question: Values, former: Any) -> Values:
    if not _secret(question) or "default" not in question:
        return question
    where = f"survey_spec: the default of {question.get('variable')}"
    return {**question, "default": _kept(where, question["default"], former)}
