# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong values of every option of every module, as a user would give them, and what is said of each.

The list is wrong_values.yml. The words are those that the user reads: they name the option, show what was
given unless it may be a secret, and tell what would be right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS, INLINE
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock

TABLE: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("wrong_values.yml").read_text())
SECRET = "s3cret"  # noqa: S105 - it stands for one
KUBECONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "first", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "first",
}
QUESTION = {"question_name": "How big", "variable": "size", "type": "integer", "required": True, "max": 5}
ASKS = ("credential", "forks", "instance_groups", "inventory", "job_slice_count", "scm_branch", "variables")
FLOW = [{"identifier": "only", "unified_job_template": {"name": "deploy", "type": "job_template"}}]
ELSEWHERE = {
    "run": "its options become those of a launch, which tells of them; test_command_line has the others"
}
"""Modules that are not in the list, and why."""
STORE_OF = "regenerate_secret_key"
"""The module that has the cases for the options of the store, which all modules have in common."""


@pytest.fixture
async def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stock]:
    """A store with one object of each kind at least, and a folder with right and wrong files."""
    monkeypatch.chdir(tmp_path)
    made = Stock(tmp_path)
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    (tmp_path / "broken.yml").write_text("a: [\n")
    made.add("organization", "Ops")
    token = {"host": "https://127.0.0.1:1", "bearer_token": SECRET}
    registry = {"host": "quay.test", "username": "ann", "password": SECRET}
    made.add("credential", "web", credential_type="machine", inputs={"password": SECRET})
    made.add("credential", "k8s", credential_type="kubernetes_bearer_token", inputs=token)
    made.add("credential", "quay", credential_type="container_registry", inputs=registry)
    made.add("execution_environment", "tools", image="quay.test/tools")
    made.add("container_group", "prod", credential="k8s")
    made.template()
    made.add("project", "repo", scm_type="git", scm_url="https://git.test/a.git")
    made.add("inventory", "empty")
    made.add("inventory_source", "source", inventory="hosts", source="file", source_path="/tmp")
    asks = {f"ask_{name}_on_launch": True for name in ASKS}
    survey = {"name": "", "description": "", "spec": [QUESTION]}
    made.template("asking", survey_enabled=True, survey_spec=survey, **asks)
    flow = {"workflow_nodes": FLOW}
    await made.ask("workflow_job_template", name="flow", **flow)
    await made.ask("workflow_job_template", name="asking flow", ask_inventory_on_launch=True, **flow)
    yield made
    made.store.close()


async def said(stock: Stock, module: str, options: Mapping[str, Any]) -> str:
    """What the user reads of the options, but for the hint; the test's folder is called FOLDER."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        result, _told = await stock.ask(module, check=True, **given)
    except Failure as failure:
        return failure.message.replace(str(stock.folder), "FOLDER")
    return f"accepted: {result.get('msg')}"


@pytest.mark.parametrize("module", sorted(TABLE))
async def test_wrong_values_are_told(module: str, stock: Stock) -> None:
    base = TABLE[module]["base"]
    others = {
        str(case["given"]): (told, case["said"])
        for case in TABLE[module]["cases"]
        if (told := await said(stock, module, {**base, **case["given"]})) != case["said"]
    }
    assert others == {}


def test_each_sentence_names_an_option_and_no_secret() -> None:
    for module, table in TABLE.items():
        for case in table["cases"]:
            names = {*ARGUMENTS[module], *INLINE["container_group"], *keys_of(case["given"])}
            assert any(name in case["said"] for name in names), case
            assert SECRET not in case["said"]
            assert not case["said"].startswith("accepted"), case


def keys_of(value: object) -> Iterator[str]:
    """All keys of mappings, also of those in others."""
    if isinstance(value, Mapping):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from keys_of(each)


# -- whether the list is whole --


def options_of(spec: Mapping[str, Any]) -> Iterator[str]:
    """The options of a module, and those of mappings in them, each after the name of what has it."""
    for option, rule in spec.items():
        yield option
        yield from (f"{option}.{inner}" for inner in _inner_spec(option, rule))


def _inner_spec(option: str, rule: Mapping[str, Any]) -> Mapping[str, Any]:
    inline = option in INLINE and "raw" in (rule.get("type"), rule.get("elements"))
    found: Mapping[str, Any] = INLINE[option] if inline else rule.get("options", {})
    return found


def given_of(given: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    """The options that a case gives, in the same form; also those of mappings in mappings."""
    for name, value in given.items():
        for option, rule in spec.items():
            if name in (option, *rule.get("aliases", ())):
                yield option
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, Mapping):
                        for path in given_of(each, _inner_spec(option, rule)):
                            yield path if "." in path else f"{option}.{path}"


def test_every_option_of_every_module_is_in_the_list() -> None:
    assert TABLE.keys() == ARGUMENTS.keys() - ELSEWHERE.keys()
    within: set[str] = set()
    all_within: set[str] = set()
    missing = []
    for module in TABLE:
        spec = ARGUMENTS[module]
        given = {path for case in TABLE[module]["cases"] for path in given_of(case["given"], spec)}
        wanted = set(options_of(spec)) - (set() if module == STORE_OF else STORE.keys())
        within |= {path for path in given if "." in path}
        all_within |= {path for path in wanted if "." in path}
        missing += [f"{module}: {name}" for name in sorted(wanted - given) if "." not in name]
    # Mappings are the same in all modules.
    assert missing + sorted(all_within - within) == []
