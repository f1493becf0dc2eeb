# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates that somebody asks for run on the controller node, whether they are due or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    Repository,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import shown
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock, no_waits


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    no_waits(monkeypatch)
    made = Stock(tmp_path)
    yield made
    made.store.close()


def source(stock: Stock, inventory: str, name: str = "cloud", host: str = "web1") -> int:
    path = stock.folder / f"{inventory}-{name}.yml"
    path.write_text(json.dumps({"all": {"hosts": {host: None}}}))
    return stock.add("inventory_source", name, inventory=inventory, source="file", source_path=str(path))


async def test_project_is_updated_though_it_is_not_due(stock: Stock) -> None:
    repository = Repository(stock.folder / "repository")
    number = stock.add("project", "git", scm_type="git", scm_url=str(repository.folder))
    results = []
    for _time in range(2):
        result, messages = await stock.ask("project_update", project="git")
        results.append(result)
    job = results[0]["job"]
    assert [result["changed"] for result in results] == [True, False]
    assert (job["type"], job["status"], job["project"]) == ("project_update", "successful", number)
    assert (job["container_group"], job["pod_name"]) == (None, "")
    assert job["execution_node"] == job["controller_node"] != ""
    assert results[1]["msg"].startswith(f"Job {results[1]['job']['id']} (git) successful in ")
    assert "hosts" not in results[1]["msg"]
    assert any("playbooks: site.yml" in line for line in shown(messages))


async def test_project_of_an_organization_is_updated(stock: Stock) -> None:
    for name in ("first", "second"):
        stock.add("organization", name)
        stock.add("project", "code", organization=name, scm_type="manual", local_path="project")
    with pytest.raises(Failure, match="There are 2 of kind project with the name 'code'"):
        await stock.ask("project_update", project="code")
    result, _messages = await stock.ask("project_update", project="code", organization="second")
    assert result["job"]["organization"] == stock.objects.get("organization", "second", "name").id


async def test_failed_update_is_told(stock: Stock) -> None:
    stock.add("project", "git", scm_type="git", scm_url=str(stock.folder / "gone"))
    result, _messages = await stock.ask("project_update", project="git")
    assert (result["failed"], result["job"]["status"]) == (True, "error")
    assert result["job"]["failure"]["reason"] == "ProjectUpdateFailed"


async def test_inventory_source_is_updated(stock: Stock) -> None:
    inventory = stock.add("inventory", "hosts")
    number = source(stock, "hosts")
    result, _messages = await stock.ask("inventory_update", inventory_source="cloud")
    job = result["job"]
    assert (result["changed"], job["type"], job["status"]) == (True, "inventory_update", "successful")
    assert (job["inventory_source"], job["inventory"]) == (number, inventory)
    assert len(stock.store.inventories.contents(inventory)) == 1


@pytest.mark.parametrize("how", ["inventory", "id"])
async def test_one_of_several_sources_of_a_name_is_chosen(stock: Stock, how: str) -> None:
    numbers = {}
    for name in ("first", "second"):
        stock.add("inventory", name)
        numbers[name] = source(stock, name)
    with pytest.raises(Failure, match="There are 2 of kind inventory source with the name 'cloud'"):
        await stock.ask("inventory_update", inventory_source="cloud")
    chosen: dict[str, Any] = {"inventory_source": "cloud", "inventory": "second"}
    if how == "id":
        chosen = {"inventory_source": str(numbers["second"])}
    result, _messages = await stock.ask("inventory_update", **chosen)
    assert result["job"]["inventory_source"] == numbers["second"]


async def test_source_of_another_inventory_is_told(stock: Stock) -> None:
    stock.add("inventory", "first")
    stock.add("inventory", "second")
    source(stock, "first", "cloud")
    source(stock, "second", "farm")
    with pytest.raises(Failure) as caught:
        await stock.ask("inventory_update", inventory_source="cloud", inventory="second")
    assert caught.value.message == "inventory_source 'cloud' is no source of inventory 'second'; it has farm."


@pytest.mark.parametrize("verb", ["project_update", "inventory_update"])
async def test_detached_update_answers_at_once_and_goes_on(stock: Stock, verb: str) -> None:
    stock.template()
    source(stock, "hosts")
    given = {"project": "code"} if verb == "project_update" else {"inventory_source": "cloud"}
    result, _messages = await stock.ask(verb, **given, wait=False)
    assert (result["changed"], result["failed"]) == (True, False)
    (job,) = stock.all_jobs()
    assert (job.id, job.status, job.wait) == (result["job"]["id"], "successful", False)


@pytest.mark.parametrize(
    ("verb", "given"),
    [("project_update", {"project": "gone"}), ("inventory_update", {"inventory_source": "gone"})],
)
async def test_what_is_not_there_is_refused(stock: Stock, verb: str, given: dict[str, Any]) -> None:
    with pytest.raises(Failure, match="there is no .* 'gone'"):
        await stock.ask(verb, **given)
    assert stock.all_jobs() == []
