# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job or workflow template asks for at launch, of what a workflow's node that runs it prompts with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.surveys import (
    read_survey,
    secret_variables,
    variables,
)

ASKED = {"job_tags": "tags", "credentials": "credential"}
"""Prompts whose `ask_<name>_on_launch` has another name than they."""

Values = dict[str, Any]


def unasked(target: Mapping[str, Any], prompts: Mapping[str, Any]) -> list[str]:
    """Those prompts that what a node runs does not ask for, and has not itself.

    Args:
        target: values of what it runs.
        prompts: as of `node_options.set_prompts`.
    """
    return [
        option
        for option, value in prompts.items()
        if not target.get(ask(option)) and target.get(option) != value
    ]


def ask(option: str) -> str:
    """The option of a job template that says whether it asks for a prompt."""
    return f"ask_{ASKED.get(option, option)}_on_launch"


def unasked_variables(target: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Those variables that what a node runs does not ask for, nor in a survey, and has not itself."""
    if not given or target.get("ask_variables_on_launch"):
        return []
    answers, fixed = variables(survey_of(target)), target.get("extra_vars") or {}
    return [name for name, value in given.items() if name not in answers and fixed.get(name) != value]


def survey_of(template: Mapping[str, Any]) -> Values:
    """The survey of what a node runs, where it is in use."""
    return read_survey(template.get("survey_spec")) if template.get("survey_enabled") else {}


def hidden_variables(template: Mapping[str, Any]) -> frozenset[str]:
    """The variables of a node that runs this whose values are never shown."""
    return secret_variables(survey_of(template))
