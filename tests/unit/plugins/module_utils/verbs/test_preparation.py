# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a job runs, what it needs is brought, once for all of its slices; and it is kept what it runs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import Definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import read_definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import caller_of
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.preparation import (
    WHOLE,
    Preparation,
    Slice,
    columns_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Resolver
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    Repository,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import DEADLINE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    no_waits,
    until,
)

NOWHERE: dict[str, Any] = {"host": "https://127.0.0.1:1", "api_key": "s3cret-token"}
HOSTS = {
    "all": {
        "hosts": {"a": {"x": 1}},
        "children": {"web": {"hosts": {"b": None, "c": None}, "vars": {"y": 2}}},
    }
}


async def never(job: OwnedJob) -> Start:
    """Nothing to do yet."""
    await asyncio.Event().wait()
    raise AssertionError


class Scene(Stock):
    """A stock, and the jobs of a process there."""

    jobs_here: OwnedJobs

    def defined(self, **params: Any) -> Definition:
        return read_definition(validated("container_group_job", params), self.objects, self.folder)

    def preparation(self, **params: Any) -> Preparation:
        return Preparation(self.jobs_here, self.defined(**params), caller_of(self.jobs_here.request))

    async def job(self, preparation: Preparation) -> OwnedJob:
        columns = {**columns_of(preparation._definition, 1), "allow_simultaneous": True}
        return await self.jobs_here.start(Order("job", "site.yml", {}, columns), never)

    async def prepared(self, preparation: Preparation, *parts: Slice) -> list[dict[str, Any]]:
        """What is kept of jobs that were prepared at the same time."""
        jobs = [await self.job(preparation) for _part in parts]
        async with deadline(DEADLINE):
            done = await asyncio.gather(
                *(preparation.prepare(job, part) for job, part in zip(jobs, parts, strict=True)),
                return_exceptions=True,
            )
        for error in done:
            if isinstance(error, BaseException):
                raise error
        return [self.store.launch(job.id) for job in jobs]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    no_waits(monkeypatch)
    made = Scene(tmp_path)
    async with made.jobs() as jobs:
        made.jobs_here = jobs
        yield made
    made.store.close()


SLICES = [Slice(number, 3) for number in (1, 2, 3)]

# --- what is kept -----


async def test_what_a_job_runs_is_kept_with_its_cluster(scene: Scene) -> None:
    scene.add("container_group", "prod", **NOWHERE, namespace="jobs")
    scene.add("inventory", "many", content=HOSTS, variables={"z": 3})
    scene.template(inventory="many", instance_groups=["prod"])
    preparation = scene.preparation(job_template="deploy")
    (launch,) = await scene.prepared(preparation, WHOLE)
    (job,) = scene.all_jobs()
    assert launch["inventory"]["content"]["all"]["vars"] == {"z": 3}
    assert launch["project"] == str(scene.folder / "project")
    assert scene.store.connection(job.id)["host"] == NOWHERE["host"]
    assert (job.status, job.namespace, job.container_group) == ("waiting", "jobs", "prod")
    assert job.scm_revision == ""


async def test_on_the_controller_node_there_is_no_cluster_to_keep(scene: Scene) -> None:
    scene.template()
    await scene.prepared(scene.preparation(job_template="deploy"), WHOLE)
    (job,) = scene.all_jobs()
    assert (job.namespace, job.container_group) == ("", None)
    with pytest.raises(Failure, match="keeps no connection"):
        scene.store.connection(job.id)


async def test_revision_that_a_job_runs_is_kept(scene: Scene) -> None:
    repository = Repository(scene.folder / "repository")
    scene.add("project", "git", scm_type="git", scm_url=str(repository.folder))
    scene.template(project="git")
    (launch,) = await scene.prepared(scene.preparation(job_template="deploy"), WHOLE)
    job = scene.all_jobs()[0]
    assert job.scm_revision == repository.first
    assert launch["project"].endswith(repository.first)


def test_columns_say_what_a_job_is_from(tmp_path: Path) -> None:
    definition = Definition(
        {"project": {"stored": 1}, "inventory": {"stored": 2}}, (4, 3), organization=5, job_template=6
    )
    assert columns_of(definition, 7, launch_type="relaunch") == {
        "organization_id": 5,
        "project_id": 1,
        "inventory_id": 2,
        "job_template_id": 6,
        "candidates": [4, 3],
        "task_impact": 7,
        "allow_simultaneous": True,
        "launch_type": "relaunch",
    }
    inline = columns_of(Definition({"project": "project", "inventory": "a,"}), 1)
    assert (inline["project_id"], inline["inventory_id"], inline["candidates"]) == (None, None, None)


# --- checks before there is a job -----


async def test_job_is_checked_as_far_as_it_can_be_known(scene: Scene) -> None:
    scene.template()
    checked = await scene.preparation(job_template="deploy").check()
    place = checked.place
    assert place is not None
    assert (place.launch.name, place.connection) == ("deploy", None)


async def test_job_of_a_project_that_has_to_be_brought_is_checked_later(scene: Scene) -> None:
    scene.add("project", "git", scm_type="git", scm_url=str(scene.folder / "gone"))
    scene.template(project="git", ask_credential_on_launch=True, ask_scm_branch_on_launch=True)
    checked = await scene.preparation(job_template="deploy").check()
    assert (checked.place, checked.passed_over) == (None, ())
    machine = {"credential_type": "machine", "inputs": {}}
    with pytest.raises(Failure, match="is a second machine credential"):
        await scene.preparation(job_template="deploy", credentials=[machine, machine]).check()
    with pytest.raises(Failure, match="the project does not allow it: set its allow_override"):
        await scene.preparation(job_template="deploy", scm_branch="other").check()


# --- container groups that will not do -----


def groups(scene: Scene, *, usable: bool, git: bool) -> tuple[int, ...]:
    """Two container groups whose kubeconfig is gone, and one that jobs can run in."""
    made = [
        scene.add("container_group", name, kubeconfig=str(scene.folder / name)) for name in ("lost", "gone")
    ]
    if usable:
        made.insert(1, scene.add("container_group", "prod", **NOWHERE))
    if git:
        scene.add("project", "git", scm_type="git", scm_url=str(scene.folder / "repository"))
    names = ["lost", "prod", "gone"] if usable else ["lost", "gone"]
    scene.template(instance_groups=names, project="git" if git else "code")
    return tuple(made)


@pytest.mark.parametrize("git", [False, True], ids=["manual", "to be brought"])
async def test_group_that_will_not_do_is_passed_over(scene: Scene, git: bool) -> None:
    scene.template()
    _lost, prod, _gone = groups(scene, usable=True, git=git)
    preparation = scene.preparation(job_template="deploy")
    checked = await preparation.check()
    assert checked.groups == (prod,)
    assert (checked.place is None) == git
    for name, warning in zip(("lost", "gone"), checked.passed_over, strict=True):
        assert warning.startswith(
            f"container group {name!r} is passed over. The connection of container group {name!r}: "
        )
        assert str(scene.folder / name) in warning
    assert not await preparation.counts_hosts()


@pytest.mark.parametrize("git", [False, True], ids=["manual", "to be brought"])
async def test_job_is_refused_where_no_group_will_do_with_all_reasons(scene: Scene, git: bool) -> None:
    scene.template()
    groups(scene, usable=False, git=git)
    with pytest.raises(Failure) as caught:
        await scene.preparation(job_template="deploy").check()
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith("The job can run in none of its container groups. The connection")
    for name in ("lost", "gone"):
        assert f"container group {name!r}: " in caught.value.message


async def test_what_is_wrong_whichever_group_it_is_is_told_once(scene: Scene) -> None:
    for name in ("one", "two"):
        scene.add("container_group", name, **NOWHERE)
    scene.template(instance_groups=["one", "two"])
    (scene.folder / "project" / "site.yml").unlink()
    with pytest.raises(Failure) as caught:
        await scene.preparation(job_template="deploy").check()
    assert caught.value.reason == "PlaybookNotFound"
    assert caught.value.message.startswith("playbook 'site.yml' is not in the project")


async def test_group_that_was_deleted_is_passed_over(scene: Scene) -> None:
    prod = scene.add("container_group", "prod", **NOWHERE)
    scene.template(instance_groups=["prod"])
    definition = replace(scene.defined(job_template="deploy"), groups=(77, prod))
    checked = await Preparation(scene.jobs_here, definition, caller_of(scene.jobs_here.request)).check()
    assert checked.groups == (prod,)
    assert checked.passed_over == (
        "container group 77 is passed over. The container group with the id 77 was deleted.",
    )


# --- hosts -----


@pytest.mark.parametrize(
    ("limits", "counts"), [((0,), False), ((0, 5), True)], ids=["no limit", "one of its groups"]
)
async def test_hosts_count_where_a_group_has_room_for_so_many_forks(
    scene: Scene, limits: tuple[int, ...], counts: bool
) -> None:
    names = [f"group {number}" for number in range(len(limits))]
    for name, limit in zip(names, limits, strict=True):
        scene.add("container_group", name, **NOWHERE, max_forks=limit)
    scene.template(instance_groups=names)
    assert await scene.preparation(job_template="deploy").counts_hosts() is counts


@pytest.mark.parametrize(
    "inventory",
    [
        pytest.param("a,b,c", id="list"),
        pytest.param(HOSTS, id="mapping"),
        pytest.param("stored", id="stored"),
        pytest.param("./hosts.json", id="file"),
    ],
)
async def test_hosts_are_those_of_the_inventory(scene: Scene, inventory: Any) -> None:
    (scene.folder / "hosts.json").write_text(json.dumps(HOSTS))
    scene.add("inventory", "stored", content=HOSTS)
    given = {"project": "project", "playbook": "site.yml", "inventory": inventory}
    assert sorted(await scene.preparation(**given).hosts()) == ["a", "b", "c"]


# --- slices -----


def source(scene: Scene, name: str, content: str) -> Path:
    """An inventory source that is due at every launch."""
    path = scene.folder / f"{name}.sh"
    path.write_text(content)
    path.chmod(0o755)
    scene.add(
        "inventory_source",
        name,
        inventory="many",
        source="file",
        source_path=str(path),
        update_on_launch=True,
    )
    return path


def hosts(launch: dict[str, Any]) -> list[str]:
    def within(group: dict[str, Any]) -> list[str]:
        inner = [host for child in group.get("children", {}).values() for host in within(child)]
        return [*group.get("hosts", {}), *inner]

    assert launch["inventory"]["kind"] == "content"
    return sorted(set(within(launch["inventory"]["content"]["all"])))


async def test_all_slices_say_what_update_they_wait_for(scene: Scene) -> None:
    scene.add("inventory", "many", content=HOSTS)
    gate = scene.folder / "gate"
    source(scene, "cloud", f"#!/bin/sh\nuntil [ -e {gate} ]; do sleep 0.05; done\necho '{{}}'\n")
    scene.template(inventory="many", job_slice_count=3)
    preparing = asyncio.create_task(scene.prepared(scene.preparation(job_template="deploy"), *SLICES))

    def explained() -> set[str]:
        return {job.job_explanation for job in scene.all_jobs() if job.type == "job"}

    await until(lambda: len(scene.all_jobs()) == 4 and explained() != {""} and len(explained()) == 1)
    (update,) = (job.id for job in scene.all_jobs() if job.type == "inventory_update")
    why = f"waiting for job {update} to finish: the update of inventory source 'cloud'"
    assert explained() == {why}
    gate.touch()
    await preparing


async def test_slices_are_cut_from_what_one_update_has_brought(scene: Scene) -> None:
    scene.add("inventory", "many", content=HOSTS)
    count = scene.folder / "count"
    listing = json.dumps({"farm": {"hosts": ["d", "e"]}, "_meta": {"hostvars": {"e": {"x": 1}}}})
    source(scene, "cloud", f"#!/bin/sh\necho x >> {count}\necho '{listing}'\n")
    scene.template(inventory="many", job_slice_count=3)
    launches = await scene.prepared(scene.preparation(job_template="deploy"), *SLICES)
    assert [hosts(launch) for launch in launches] == [["a", "d"], ["b", "e"], ["c"]]
    second = launches[1]["inventory"]["content"]
    assert json.dumps(second).count('"x": 1') == 1
    updates = [job for job in scene.all_jobs() if job.type == "inventory_update"]
    assert [update.status for update in updates] == ["successful"]
    reads = count.read_text().count("x")
    await scene.prepared(scene.preparation(job_template="deploy"), WHOLE)
    assert count.read_text().count("x") == 2 * reads


async def test_slices_of_an_inventory_that_is_different_each_time_have_each_host_once(
    scene: Scene,
) -> None:
    path, count = scene.folder / "hosts.sh", scene.folder / "count"
    path.write_text(
        f"#!/bin/sh\necho x >> {count}\nread=$(wc -l < {count})\ncat <<END\n"
        '{"all": {"hosts": ["a$read", "b$read", "c$read"]}, "_meta": {"hostvars": {}}}\nEND\n'
    )
    path.chmod(0o755)
    given = {"project": "project", "playbook": "site.yml", "container_group": "controlplane"}
    launches = await scene.prepared(scene.preparation(**given, inventory="./hosts.sh"), *SLICES)
    numbers = {host[1:] for launch in launches for host in hosts(launch)}
    assert len(numbers) == 1
    assert [host[0] for launch in launches for host in hosts(launch)] == ["a", "b", "c"]


async def test_slice_that_is_cancelled_while_it_brings_things_is_followed_by_another(scene: Scene) -> None:
    scene.add("inventory", "many", content=HOSTS)
    begun, gate = scene.folder / "begun", scene.folder / "gate"
    script = f"#!/bin/sh\ntouch {begun}\nwhile [ ! -e {gate} ]; do sleep 0.05; done\necho '{{}}'\n"
    source(scene, "slow", script)
    scene.template(inventory="many", job_slice_count=3)
    preparation = scene.preparation(job_template="deploy")
    jobs = [await scene.job(preparation) for _part in SLICES[:2]]
    tasks = [
        asyncio.create_task(preparation.prepare(job, part)) for job, part in zip(jobs, SLICES, strict=False)
    ]
    async with deadline(DEADLINE):
        while not begun.exists():
            await asyncio.sleep(0.02)
        tasks[0].cancel()
        gate.touch()
        await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    assert tasks[1].exception() is None
    assert hosts(scene.store.launch(jobs[1].id)) == ["b"]


def beside_playbook(scene: Scene) -> None:
    """Variables beside the playbook and beside the inventory, of which the latter win for hosts of `web`."""
    for name, text in {
        "project/plays/site.yml": "- hosts: all\n",
        "project/plays/group_vars/all.yml": "x: beside the playbook\n",
        "farm/hosts.yml": "all: {hosts: {a: }, children: {web: {hosts: {b: , c: }}}}\n",
        "farm/group_vars/web.yml": "x: beside the inventory\n",
    }.items():
        (scene.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (scene.folder / name).write_text(text)


def own(launch: dict[str, Any], name: str) -> object:
    """A host's own `x`, which wins over that of all groups, whatever file they are in."""
    whole = launch["inventory"]["content"]["all"]
    written = whole.get("hosts") or whole["children"]["web"]["hosts"]
    return (written[name] or {}).get("x")


@pytest.mark.parametrize("stored", [False, True], ids=["folder", "stored project"])
async def test_slices_have_variables_as_they_rank_beside_the_playbook(scene: Scene, stored: bool) -> None:
    beside_playbook(scene)
    if stored:
        scene.add("project", "code", scm_type="manual", local_path="project")
    given = {"playbook": "plays/site.yml", "inventory": "./farm", "container_group": "controlplane"}
    preparation = scene.preparation(**given, project="code" if stored else "./project")
    launches = await scene.prepared(preparation, *SLICES)
    assert [hosts(launch) for launch in launches] == [["a"], ["b"], ["c"]]
    assert own(launches[1], "b") == own(launches[2], "c") == "beside the inventory"
    assert await preparation.hosts() == ("a", "b", "c")


async def test_stored_inventory_has_variables_as_they_rank_beside_the_playbook(scene: Scene) -> None:
    beside_playbook(scene)
    scene.add("inventory", "farm", path=str(scene.folder / "farm"), variables={"y": 1})
    scene.template(playbook="plays/site.yml", inventory="farm")
    (launch,) = await scene.prepared(scene.preparation(job_template="deploy"), WHOLE)
    assert own(launch, "b") == "beside the inventory"


async def test_playbook_that_is_not_there_is_no_trouble_of_the_inventory(scene: Scene) -> None:
    beside_playbook(scene)
    given = {"playbook": "gone/site.yml", "inventory": "./farm", "container_group": "controlplane"}
    assert len(await scene.preparation(**given, project="./project").hosts()) == 3


# --- what is asked of the store -----


async def test_vaults_of_an_inventory_are_read_by_the_store_s_thread(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []

    def vaults(resolver: Resolver) -> tuple[()]:
        threads.append(threading.current_thread() is threading.main_thread())
        return ()

    monkeypatch.setattr(Resolver, "vaults", vaults)
    (scene.folder / "hosts").write_text("a\nb\n")
    given = {"project": "project", "playbook": "site.yml", "container_group": "controlplane"}
    assert await scene.preparation(**given, inventory="./hosts").hosts() == ("a", "b")
    assert threads == [False]
