# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks in the modules' EXAMPLES have options that their modules take."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS

MODULES = Path(__file__).parents[2] / "plugins" / "modules"
PREFIX = "jobpods.controller."


def examples(path: Path) -> list[dict[str, Any]]:
    """The tasks of a module's EXAMPLES."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            tasks: list[dict[str, Any]] = yaml.safe_load(ast.literal_eval(node.value))
            return tasks
    return []


def calls() -> Iterator[Any]:
    """Each call of one of our modules, with its options."""
    for path in sorted(MODULES.glob("*.py")):
        for task in examples(path):
            for key, options in task.items():
                if key.startswith(PREFIX) and key != f"{PREFIX}run":  # whose options are the play's variables
                    module = key.removeprefix(PREFIX)
                    yield pytest.param(module, options or {}, id=f"{path.stem}: {task['name']}")


@pytest.mark.parametrize(("module", "options"), list(calls()))
def test_a_module_takes_what_its_examples_give(module: str, options: dict[str, Any]) -> None:
    validator = ArgumentSpecValidator(ARGUMENTS[module])
    # A template becomes a value of the right type only when it is evaluated; a number goes for all types.
    plain = {key: 1 if str(value).startswith("{{") else value for key, value in options.items()}
    messages = validator.validate(plain).error_messages
    assert [each for each in messages if "unable to convert" not in each] == []


@pytest.mark.parametrize("path", sorted(MODULES.glob("*.py")), ids=lambda path: path.stem)
def test_each_module_has_an_example_of_itself(path: Path) -> None:
    assert any(f"{PREFIX}{path.stem}" in task for task in examples(path))
