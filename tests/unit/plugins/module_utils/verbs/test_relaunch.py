# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job is launched again as it was launched, on all of its hosts or on those that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    no_waits,
    scripted_runner,
    until,
)

HOSTS = {"all": {"hosts": dict.fromkeys(("a", "b", "c", "d"))}}


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    no_waits(monkeypatch)
    scripted_runner(tmp_path, monkeypatch)
    made = Stock(tmp_path)
    made.add("inventory", "many", content=HOSTS)
    yield made
    made.store.close()


async def launched(stock: Stock, **given: Any) -> int:
    result, _messages = await stock.launch(**given)
    return int(result["job"]["id"])


async def again(stock: Stock, job_id: int, **given: Any) -> dict[str, Any]:
    """The new job."""
    result, _messages = await stock.ask("job_relaunch", job_id=job_id, **given)
    job: dict[str, Any] = result["job"]
    assert job["id"] != job_id
    return job


async def test_job_is_launched_again_with_what_it_was_launched_with(stock: Stock) -> None:
    template = stock.template(inventory="many", ask_limit_on_launch=True, ask_variables_on_launch=True)
    first = await launched(stock, job_template="deploy", limit="a", extra_vars={"set": {"x": 1}})
    stock.template(inventory="many", limit="b", ask_limit_on_launch=False)
    job = await again(stock, first)
    assert (job["status"], job["launch_type"], job["job_template"]) == ("successful", "relaunch", template)
    assert (job["name"], job["artifacts"]) == ("deploy", {"x": 1})
    assert stock.asked(job["id"])["limit"] == "a"


async def test_stored_objects_are_what_they_are_now(stock: Stock) -> None:
    stock.template(inventory="many")
    first = await launched(stock, job_template="deploy")
    stock.add("inventory", "many", content={"all": {"hosts": {"new": None}}})
    job = await again(stock, first)
    assert stock.store.stdout(job["id"])[0].startswith("PLAY on new\n")


async def test_groups_are_those_of_the_template_now(stock: Stock) -> None:
    stock.template(inventory="many")
    first = await launched(stock, job_template="deploy")
    assert stock.store.get(first).container_group is None
    stock.add("container_group", "pods", kubeconfig="/nowhere")
    stock.template(inventory="many", instance_groups=["pods"])
    assert "/nowhere" in await refused(stock, first)


@pytest.mark.parametrize("option", ["instance_groups", "container_group"])
async def test_groups_that_were_given_at_launch_stay_but_for_deleted_ones(stock: Stock, option: str) -> None:
    (own,) = stock.objects.list("container_group", name="controlplane")
    stock.add("container_group", "pods", kubeconfig="/nowhere")
    given = {"project": "project", "playbook": "site.yml", "inventory": "a,"}
    names = ["pods", "controlplane"] if option == "instance_groups" else "controlplane"
    first = await launched(stock, **given, **{option: names})
    assert (await again(stock, first))["status"] == "successful"
    stock.objects.delete("container_group", Wanted("pods"))
    job = await again(stock, first)
    assert job["status"] == "successful"
    assert stock.store.request(job["id"])["definition"]["groups"] == [own["id"]]


async def test_job_whose_given_groups_were_all_deleted(stock: Stock) -> None:
    request = {
        "definition": {
            "options": {},
            "groups": [99],
            "organization": None,
            "job_template": None,
            "allow_simultaneous": True,
            "slices_prompted": False,
            "groups_given": ["gone"],
        },
        "folder": str(stock.folder),
        "check": False,
    }
    number = stock.store.create(NewJob("u" * 32, "job", "old", True, "here", request=request))
    assert await refused(stock, number) == (
        "instance_groups: the job was launched for container group 'gone', now deleted."
    )


async def test_inline_job_is_launched_again_from_the_folder_it_was_launched_in(stock: Stock) -> None:
    given = {"project": "project", "playbook": "site.yml", "container_group": "controlplane"}
    first = await launched(stock, **given, inventory="a,b", name="mine")
    folder, stock.folder = stock.folder, stock.folder / "elsewhere"
    place = {"data_dir": str(folder / "store")}
    job = await again(stock, first, **place)
    assert (job["name"], job["status"]) == ("mine", "successful")


async def test_failed_hosts_become_the_limit(stock: Stock) -> None:
    stock.template(inventory="many", extra_vars={"fail": ["b", "d"]})
    first = await launched(stock, job_template="deploy")
    job = await again(stock, first, hosts="failed")
    assert stock.asked(job["id"])["limit"] == "b,d"


@pytest.mark.parametrize("wait", [True, False])
async def test_new_job_is_attached_where_somebody_waits_for_it(stock: Stock, wait: bool) -> None:
    stock.template(inventory="many")
    first = await launched(stock, job_template="deploy", wait=not wait)
    job = await again(stock, first, wait=wait)
    assert stock.store.get(job["id"]).wait is wait
    assert stock.store.get(job["id"]).status == "successful"


async def test_slice_is_launched_again_as_the_slice_that_it_is(stock: Stock) -> None:
    stock.add("container_group", "controlplane", max_forks=3)
    stock.template(inventory="many", job_slice_count=2)
    result, _messages = await stock.launch(job_template="deploy")
    second = result["job"]["slices"][1]
    job = await again(stock, second["id"])
    assert (job["type"], job["job_slice_number"], job["job_slice_count"]) == ("job", 2, 2)
    assert job["name"] == second["name"] == "deploy 2/2"
    assert stock.store.stdout(job["id"])[0].startswith("PLAY on b d\n")
    assert stock.store.get(job["id"]).task_impact == 3


async def test_sliced_job_is_launched_again_with_all_slices(stock: Stock) -> None:
    stock.template(inventory="many", job_slice_count=2)
    first = await launched(stock, job_template="deploy")
    job = await again(stock, first)
    assert (job["type"], job["launch_type"]) == ("workflow_job", "relaunch")
    assert [part["job_slice_number"] for part in job["slices"]] == [1, 2]


async def test_workflow_is_launched_again_with_its_prompts(stock: Stock) -> None:
    stock.template(inventory="many", ask_limit_on_launch=True, ask_variables_on_launch=True)
    runs = {"name": "deploy", "type": "job_template"}
    nodes = [{"identifier": "a", "unified_job_template": runs}]
    asks = {"ask_limit_on_launch": True, "ask_variables_on_launch": True}
    stock.objects.save("workflow_job_template", Wanted("release", asks, nodes=nodes))
    given = {"limit": "c", "extra_vars": {"x": 1}}
    result, _messages = await stock.ask("workflow_job", workflow_job_template="release", **given)
    job = await again(stock, result["job"]["id"])
    options = stock.asked(job["slices"][0]["id"])
    assert (options["limit"], options["extra_vars"]) == ("c", {"x": 1})
    assert (job["launch_type"], job["status"]) == ("relaunch", "successful")


async def test_update_is_done_again(stock: Stock) -> None:
    stock.template()
    result, _messages = await stock.ask("project_update", project="code")
    job = await again(stock, result["job"]["id"])
    assert (job["type"], job["launch_type"], job["status"]) == ("project_update", "relaunch", "successful")


# --- what can't be -----


async def refused(stock: Stock, job_id: int, **given: Any) -> str:
    before = stock.all_jobs()
    with pytest.raises(Failure) as caught:
        await stock.ask("job_relaunch", job_id=job_id, **given)
    assert [job.id for job in stock.all_jobs()] == [job.id for job in before]
    return caught.value.message


async def test_job_without_failed_hosts(stock: Stock) -> None:
    stock.template(inventory="many")
    first = await launched(stock, job_template="deploy")
    message = await refused(stock, first, hosts="failed")
    assert message == f"hosts: no host of job {first} failed; give hosts: all to launch it again."


@pytest.mark.parametrize("lie", ["all", "*", "!a", "&b", "~.*", "@/etc/passwd", "a,b", "web[1:9]"])
async def test_pod_can_t_choose_other_hosts_by_a_pattern(stock: Stock, lie: str) -> None:
    stock.template(inventory="many", extra_vars={"lie": [lie]})
    first = await launched(stock, job_template="deploy")
    message = await refused(stock, first, hosts="failed")
    assert message.startswith(f"hosts: the recap of job {first} counts hosts whose names are patterns")


async def test_failed_hosts_of_a_sliced_job(stock: Stock) -> None:
    stock.template(inventory="many", job_slice_count=2, extra_vars={"fail": ["a"]})
    first = await launched(stock, job_template="deploy")
    message = await refused(stock, first, hosts="failed")
    assert "is for jobs and ad hoc commands, but job 1 is of type workflow_job; give" in message
    job = await again(stock, 2, hosts="failed")
    assert stock.asked(job["id"])["limit"] == "a"


async def test_failed_hosts_of_a_slice_are_found_where_they_are_in_another_one_by_now(stock: Stock) -> None:
    stock.template(inventory="many", job_slice_count=2, extra_vars={"fail": ["d"]})
    await launched(stock, job_template="deploy")
    (second,) = (job for job in stock.all_jobs() if job.job_slice_number == 2)
    stock.add("inventory", "many", content={"all": {"hosts": dict.fromkeys("0abcd")}})
    job = await again(stock, second.id, hosts="failed")
    assert (job["name"], job["type"]) == ("deploy 2/2", "job")
    assert (stock.asked(job["id"])["limit"], job["failure"]["reason"]) == ("d", "PlaybookFailed")
    assert stock.store.stdout(job["id"])[0].startswith("PLAY on 0 a b c d\n")
    once_more = await again(stock, job["id"])
    assert (once_more["name"], stock.asked(once_more["id"])["limit"]) == ("deploy 2/2", "d")


async def test_failed_hosts_of_a_job_that_runs(stock: Stock) -> None:
    gate = stock.folder / "gate"
    stock.template(inventory="many", extra_vars={"until": str(gate)})
    running = asyncio.create_task(stock.launch(job_template="deploy"))
    await until(lambda: [job.status for job in stock.all_jobs()] == ["running"])
    assert "is running, so its failed hosts are not known yet" in await refused(stock, 1, hosts="failed")
    gate.touch()
    await running


async def test_job_that_ended_without_a_recap(stock: Stock) -> None:
    stock.template(inventory="many", extra_vars={"until": "/nowhere/at/all"})
    running = asyncio.create_task(stock.launch(job_template="deploy"))
    await until(lambda: [job.event_count for job in stock.all_jobs()] == [1])
    await stock.ask("job_cancel", job_id=1)
    await running
    assert "ended canceled without a recap" in await refused(stock, 1, hosts="failed")


async def test_job_that_is_not_there_or_says_nothing_of_its_launch(stock: Stock) -> None:
    assert await refused(stock, 9) == "job_id: there is no job 9 in this store."
    number = stock.store.create(NewJob("u" * 32, "job", "old", True, "here", request={}))
    assert "never began, so it can't be launched again" in await refused(stock, number)


async def test_template_s_objects_that_were_deleted(stock: Stock) -> None:
    stock.template(inventory="many")
    first = await launched(stock, job_template="deploy")
    stock.objects.delete("job_template", Wanted("deploy"))
    stock.objects.delete("inventory", Wanted("many"))
    assert "The inventory with the id 1 was deleted" in await refused(stock, first)
