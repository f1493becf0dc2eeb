# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module does what its documentation says: options, attributes, action group, and where it runs.

ansible-doc and Ansible's own plugin loader are asked, in processes of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.jobpods.controller.plugins.module_utils import failures

ROOT = Path(__file__).parents[2]
COLLECTION = "jobpods.controller"
COLLECTIONS_PATH = Path(failures.__file__).parents[5]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
RUNTIME = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())

PRINT_ACTIONS = """
import json, sys
from ansible.plugins.loader import action_loader, init_plugin_loader
init_plugin_loader()
found = {name: action_loader.find_plugin_with_context(name) for name in sys.argv[1:]}
print(json.dumps({name: context.resolved_fqcn for name, context in found.items() if context.resolved}))
"""


def answer(folder: Path, *command: str) -> Any:
    """What the Python program of Ansible prints as JSON, knowing no collections but this one."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS_PATH),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
    }
    ended = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="session")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What ansible-doc knows of each module, with the fragments merged in."""
    names = [f"{COLLECTION}.{name}" for name in MODULES]
    known = answer(tmp_path_factory.mktemp("doc"), "-m", "ansible.cli.doc", "--json", "-t", "module", *names)
    return {name.removeprefix(f"{COLLECTION}."): found for name, found in known.items()}


@pytest.fixture(scope="session")
def actions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The action plugin that Ansible runs for each module, by the modules' names."""
    names = [f"{COLLECTION}.{name}" for name in MODULES]
    found = answer(tmp_path_factory.mktemp("actions"), "-c", PRINT_ACTIONS, *names)
    return {name.removeprefix(f"{COLLECTION}."): action for name, action in found.items()}


class Created(Exception):
    """A module has come so far as to create its `AnsibleModule`, with these arguments."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments


def module_arguments(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that a module gives to its `AnsibleModule`."""

    def create(self: object, argument_spec: dict[str, Any], **others: Any) -> NoReturn:
        raise Created({"argument_spec": argument_spec, **others})

    monkeypatch.setattr(basic.AnsibleModule, "__init__", create)
    module = import_module(f"ansible_collections.{COLLECTION}.plugins.modules.{name}")
    with pytest.raises(Created) as created:
        module.main()
    return created.value.arguments


def told(options: Mapping[str, Any] | None, suboptions: str) -> dict[str, Any]:
    """What a user can rely on in the options of a spec or of a documentation, in the same words for both.

    Args:
        options: the options, by their names.
        suboptions: the key under which an option has options of its own.
    """
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": list(option.get("choices") or []),
            "aliases": sorted(option.get("aliases") or []),
            "options": told(option.get(suboptions), suboptions),
        }
        for name, option in (options or {}).items()
    }


def test_the_modules_are_there() -> None:
    assert {"container_group_job", "job_cancel", "job_info", "job_wait"} <= set(MODULES)


def test_every_module_is_in_the_action_group() -> None:
    assert RUNTIME["action_groups"]["controller"] == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_a_module_runs_on_the_controller(name: str, actions: dict[str, str]) -> None:
    """By an action plugin of its name; without one, Ansible would run it on the play's hosts."""
    assert actions.get(name) == f"{COLLECTION}.{name}"
    assert "import OnController\n" in (ROOT / f"plugins/action/{name}.py").read_text()


@pytest.mark.parametrize("name", MODULES)
def test_the_options_are_documented_as_they_are(
    name: str, documentation: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = module_arguments(name, monkeypatch)["argument_spec"]
    assert told(spec, "options") == told(documentation[name]["doc"]["options"], "suboptions")


@pytest.mark.parametrize("name", MODULES)
def test_examples_and_results_are_documented(name: str, documentation: dict[str, dict[str, Any]]) -> None:
    examples = yaml.safe_load(documentation[name]["examples"])
    assert any(f"{COLLECTION}.{name}" in task for task in examples)
    assert all(value.get("returned") for value in documentation[name]["return"].values())
    assert documentation[name]["return"]


@pytest.mark.parametrize("name", MODULES)
def test_the_attributes_tell_what_the_module_supports(
    name: str, documentation: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = documentation[name]["doc"]["attributes"]
    assert {"action_group", "check_mode", "controller", "diff_mode", "idempotent"} <= set(attributes)
    unexplained = [
        attribute
        for attribute, value in attributes.items()
        if value.get("support") not in ("full", "N/A") and not value.get("details")
    ]
    assert unexplained == []
    supports = module_arguments(name, monkeypatch).get("supports_check_mode", False)
    assert supports == (attributes["check_mode"]["support"] != "none")


@pytest.mark.parametrize(
    ("spec", "documented"),
    [
        pytest.param({"type": "bool"}, {"type": "str"}, id="type"),
        pytest.param({"required": True}, {}, id="required"),
        pytest.param({"default": 300}, {"default": 30}, id="default"),
        pytest.param({"choices": ["run", "check"]}, {"choices": ["run"]}, id="choices"),
        pytest.param({"aliases": ["old"]}, {}, id="aliases"),
        pytest.param({"type": "list", "elements": "int"}, {"type": "list", "elements": "str"}, id="elements"),
        pytest.param({"options": {"a": {}}}, {"suboptions": {"a": {"type": "int"}}}, id="suboptions"),
        pytest.param({"options": {"a": {}}}, {"options": {"a": {}}}, id="suboptions under another key"),
    ],
)
def test_a_difference_is_found(spec: dict[str, Any], documented: dict[str, Any]) -> None:
    assert told({"x": spec}, "options") != told({"x": documented}, "suboptions")
