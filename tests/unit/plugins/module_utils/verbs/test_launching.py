# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch is told from its number to its result, and the result comes whatever the store does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import owned_row
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import feed as feed_module
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import launching
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import NODE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.obeyed import (
    HOSTILE,
    obeyed,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    Repository,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import is_alive
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.one_job import (
    EVENTS,
    PRINT_MUCH,
    User,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import (
    DEADLINE,
    Message,
    launcher,
    read_messages,
    shown,
    texts,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    no_waits,
    scripted_runner,
    staying,
    until,
)

GOOD = """
event(2, 'playbook_on_stats', 'RECAP', ok={'a': 1})
say(status='successful')
say(eof=True)
"""


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


async def launched(request: Request, told: LauncherFeed) -> None:
    """Runs the verb of a launcher that stays."""
    async with staying() as stays:
        await launching.container_group_job(request, told, stays)


async def test_job_is_told_from_its_number_to_its_result(user: User, authority: Authority) -> None:
    async with cluster(user.folder, authority, GOOD) as at, launcher() as (told, pipe):
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, type="result"))
        environment = {"image": "example.test/ee:1", "pull": "missing"}
        await launched(user.request(at.connection, execution_environment=environment, name="it"), told)
        messages = await reading
    job = user.job()
    assert job is not None
    assert [message for message in messages if message["type"] == "job"] == [
        {"type": "job", "id": job.id, "name": "it", "child": False}
    ]
    assert [step for step in texts(messages, "step") if step not in ("payload received", "playbook started")][
        1:
    ] == [
        "image example.test/ee:1",
        f"pod {job.pod_name} created in namespace jobs",
        f"scheduled on node {NODE}",
        f"running on node {NODE}",
    ]
    assert shown(messages) == ["PLAY", "RECAP"]
    assert messages[-1]["result"]["job"]["status"] == "successful"


HOSTILE_END = f"""
words = {HOSTILE!r}
sys.stderr.write(words)
event(2, 'runner_on_failed', words, host='a' + words, task=words, play=words, res={{'msg': words}})
event(3, 'playbook_on_stats', words, failures={{'a' + words: 1}})
say(status='failed', job_explanation=words, result_traceback=words)
say(eof=True)
sys.exit(2)
"""


async def test_nothing_of_a_pod_s_that_a_terminal_would_obey_is_told(
    user: User, authority: Authority
) -> None:
    async with cluster(user.folder, authority, HOSTILE_END) as at, launcher() as (told, pipe):
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, type="result"))
        await launched(user.request(at.connection, name=f"it{HOSTILE}"), told)
        messages = await reading
    assert messages[-1]["result"]["job"]["failure"]["details"]["failed_hosts"] == ["a"]
    assert not obeyed(messages)


def out_of_room(store: JobStore, job_id: int) -> None:
    raise Failure("InvalidConfiguration", "The database can't be used: disk full.")


def taken_over(store: JobStore, job_id: int) -> None:
    store.claim(job_id, "there")


@pytest.mark.parametrize("happens", [out_of_room, taken_over])
async def test_launcher_is_told_the_end_also_where_the_last_output_is_never_stored(
    user: User,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[JobStore, int], None],
) -> None:
    monkeypatch.setattr(feed_module, "BUFFER_LIMIT", 20_000)
    monkeypatch.setattr(owned_row, "STORE_LIMIT", 0.1)
    add_events, over = JobStore.add_events, threading.Event()

    def add(store: JobStore, job_id: int, lease: int, batch: EventBatch) -> None:
        if batch.last_counter == EVENTS:
            over.set()
            happens(store, job_id)
        add_events(store, job_id, lease, batch)

    monkeypatch.setattr(JobStore, "add_events", add)
    script = PRINT_MUCH + "time.sleep(600)\n"
    async with cluster(user.folder, authority, script) as at, launcher(room=4096) as (told, pipe):
        verb = asyncio.create_task(launched(user.request(at.connection), told))
        await asyncio.to_thread(over.wait, DEADLINE)  # the launcher reads nothing until then
        reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, text="end"))
        await asyncio.wait((verb,))
        assert isinstance(verb.exception(), (LeaseLost, type(None)))
        told.step("end")
        messages = await reading
    printed = shown(messages)
    assert 1 < len(printed) < EVENTS
    # What the launcher was too slow for, and the store never got, is missing; the rest is in order, and once.
    numbers = [int(text.split()[0]) for text in printed[1:]]
    assert numbers == sorted(set(numbers))
    (warning,) = [text for text in texts(messages, "warning") if "output" in text]
    assert warning == "some of the playbook's output is not shown here: It could not be stored."
    if happens is out_of_room:
        (result,) = [message["result"] for message in messages if message["type"] == "result"]
        assert "disk full" in result["msg"]


# --- from stored objects, on the controller node -----

NOWHERE: dict[str, Any] = {"host": "https://127.0.0.1:1", "api_key": "token"}


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    no_waits(monkeypatch)
    scripted_runner(tmp_path, monkeypatch)
    made = Stock(tmp_path)
    yield made
    made.store.close()


def inventory(count: int) -> dict[str, Any]:
    """Hosts in an order of their own, some of them in a group."""
    names = [f"h{number}" for number in range(1, count + 1)]
    return {
        "all": {
            "hosts": dict.fromkeys(reversed(names[:2])),
            "children": {"web": {"hosts": dict.fromkeys(names[2:])}},
        }
    }


def of_jobs(messages: list[Message]) -> dict[int, list[str]]:
    """What is shown of each job's output."""
    numbers = [message["job"] for message in messages if message["type"] == "output"]
    return {number: shown([each for each in messages if each.get("job") == number]) for number in numbers}


async def test_template_s_job_runs_with_all_that_it_says(stock: Stock) -> None:
    organization = stock.add("organization", "first", instance_groups=["controlplane"])
    template = stock.template(
        organization="first",
        extra_vars={"set": {"a": 1}},
        ask_variables_on_launch=True,
        ask_limit_on_launch=True,
    )
    result, messages = await stock.launch(job_template="deploy", extra_vars={"set": {"b": 2}}, limit="all")
    job = result["job"]
    assert (result["failed"], job["status"], job["name"]) == (False, "successful", "deploy")
    assert (job["job_template"], job["organization"]) == (template, organization)
    assert job["project"] == stock.objects.get("project", "code", "name").id
    assert job["inventory"] == stock.objects.get("inventory", "hosts", "name").id
    assert (job["container_group"], job["namespace"], job["pod_name"]) == (None, None, "")
    assert job["execution_node"] == job["controller_node"]
    assert (job["launch_type"], job["slices"], job["artifacts"]) == ("manual", [], {"b": 2})
    assert job["host_status_counts"]["ok"] == 1
    assert of_jobs(messages) == {job["id"]: ["PLAY on a", "RECAP"]}
    assert not list((stock.folder / "store" / "jobs").glob("*"))
    assert stock.store.request(job["id"])["definition"]["job_template"] == template


async def test_template_without_a_group_tells_that_no_pod_is_used(stock: Stock) -> None:
    stock.template()
    result, messages = await stock.launch(job_template="deploy")
    assert result["job"]["container_group"] is None
    assert [step for step in texts(messages, "step") if step.startswith("no pod is used: ")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"job_template": "gone"}, "there is no job template 'gone'", id="no template"),
        pytest.param(
            {"job_template": "deploy", "limit": "web"}, "set its ask_limit_on_launch", id="a prompt"
        ),
        pytest.param(
            {"job_template": "broken"}, "playbook 'gone.yml' is not in the project", id="no playbook"
        ),
        pytest.param({"job_template": "nowhere"}, "gone' does not exist", id="no folder"),
        pytest.param(
            {"job_template": "branch", "scm_branch": "main"},
            "scm_branch is 'main', but a project of scm_type manual has no branches",
            id="no branches",
        ),
        pytest.param(
            {"job_template": "large"},
            "this job takes 6 forks .* each of its container groups is less .small 3, smaller 2.",
            id="too large for every group",
        ),
        pytest.param(
            {"job_template": "large slices"}, "this job takes 4 forks", id="slices too large for every group"
        ),
    ],
)
async def test_what_can_t_be_is_refused_before_there_is_a_job(
    stock: Stock, given: dict[str, Any], words: str
) -> None:
    stock.template()
    stock.template("broken", playbook="gone.yml")
    stock.add("project", "lost", scm_type="manual", local_path="gone")
    stock.template("nowhere", project="lost")
    stock.template("branch", ask_scm_branch_on_launch=True)
    stock.add("container_group", "small", max_forks=3, **NOWHERE)
    stock.add("container_group", "smaller", max_forks=2, **NOWHERE)
    stock.add("inventory", "many", content=inventory(9))
    groups = ["small", "smaller"]
    stock.template("large", inventory="many", instance_groups=groups)
    stock.template("large slices", inventory="many", instance_groups=groups, job_slice_count=3)
    with pytest.raises(Failure, match=words):
        await stock.launch(**given)
    assert stock.all_jobs() == []


async def test_group_that_will_not_do_is_told_and_asked_again_at_a_relaunch(stock: Stock) -> None:
    lost = stock.add("container_group", "lost", kubeconfig=str(stock.folder / "lost"))
    own = stock.objects.get("container_group", "controlplane", "name").id
    stock.template(instance_groups=["lost", "controlplane"])
    result, messages = await stock.launch(job_template="deploy")
    assert (result["job"]["status"], result["job"]["container_group"]) == ("successful", None)
    (warning,) = texts(messages, "warning")
    assert warning.startswith("container group 'lost' is passed over. The connection of container group")
    assert stock.store.request(result["job"]["id"])["definition"]["groups"] == [lost, own]


async def test_folder_has_no_branches(stock: Stock) -> None:
    with pytest.raises(Failure, match="scm_branch is given, but project is a folder"):
        await stock.launch(project="project", playbook="site.yml", inventory="a,", scm_branch="main")
    assert stock.all_jobs() == []


async def test_detached_launch_answers_at_once_and_the_job_goes_on(stock: Stock) -> None:
    gate = stock.folder / "gate"
    stock.template(ask_variables_on_launch=True)
    async with launcher() as (told, pipe):
        request = stock.request(
            "container_group_job", job_template="deploy", wait=False, extra_vars={"until": str(gate)}
        )
        verb = asyncio.create_task(launched(request, told))
        messages = await asyncio.to_thread(read_messages, pipe, type="result")
        result = messages[-1]["result"]
        assert (result["changed"], result["failed"]) == (True, False)
        assert result["job"]["status"] in ("pending", "waiting", "running")
        gate.touch()
        await verb
    assert [job.status for job in stock.all_jobs()] == ["successful"]


@pytest.mark.parametrize(
    ("given", "name"), [("a\x1b[31m\nb", "a b"), (" \n", "site.yml"), (None, "site.yml")]
)
@pytest.mark.parametrize("project", ["project", "git"])
async def test_name_of_a_job_is_one_line_wherever_its_project_comes_from(
    stock: Stock, project: str, given: str | None, name: str
) -> None:
    repository = Repository(stock.folder / "repository")
    stock.add("project", "git", scm_type="git", scm_url=str(repository.folder))
    launch = {
        "playbook": "site.yml",
        "inventory": {"all": {"hosts": {"a": None}}},
        "container_group": "controlplane",
    }
    result, _messages = await stock.launch(project=project, name=given, **launch)
    assert (result["job"]["name"], result["job"]["status"]) == (name, "successful")


# --- slices -----


async def test_slices_are_jobs_of_a_workflow_job_each_with_its_hosts(stock: Stock) -> None:
    stock.add("inventory", "many", content=inventory(7))
    template = stock.template(inventory="many", job_slice_count=3, forks=2, extra_vars={"set": {"a": 1}})
    result, messages = await stock.launch(job_template="deploy")
    whole, slices = result["job"], result["job"]["slices"]
    assert (whole["type"], whole["status"], whole["job_template"]) == ("workflow_job", "successful", template)
    assert (whole["workflow_job_template"], whole["job_slice_count"]) == (None, 3)
    assert whole["host_status_counts"]["ok"] == 7
    assert whole["artifacts"] == {"a": 1}
    assert [(part["job_slice_number"], part["job_slice_count"]) for part in slices] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert {(part["type"], part["status"], part["launch_type"], part["workflow_job"]) for part in slices} == {
        ("job", "successful", "workflow", whole["id"])
    }
    assert [part["name"] for part in slices] == ["deploy 1/3", "deploy 2/3", "deploy 3/3"]
    output = of_jobs(messages)
    assert [output[part["id"]][0] for part in slices] == [
        "PLAY on h1 h4 h7",
        "PLAY on h2 h5",
        "PLAY on h3 h6",
    ]
    assert [stock.store.get(part["id"]).task_impact for part in slices] == [3, 3, 3]
    told = {message["id"]: message["child"] for message in messages if message["type"] == "job"}
    assert told == {whole["id"]: False, **{part["id"]: True for part in slices}}


@pytest.mark.parametrize(("hosts", "slices"), [(2, 2), (1, 0), (0, 0)])
async def test_there_are_no_more_slices_than_hosts(stock: Stock, hosts: int, slices: int) -> None:
    stock.add("inventory", "few", content=inventory(hosts))
    stock.template(inventory="few", job_slice_count=5)
    result, _messages = await stock.launch(job_template="deploy")
    assert result["job"]["status"] == "successful"
    assert len(result["job"]["slices"]) == slices
    assert result["job"]["type"] == ("workflow_job" if slices else "job")
    assert [part["job_slice_count"] for part in result["job"]["slices"]] == [slices] * slices


async def test_slices_asked_for_at_launch_need_hosts(stock: Stock) -> None:
    stock.add("inventory", "few", content=inventory(0))
    stock.template(inventory="few", job_slice_count=5, ask_job_slice_count_on_launch=True)
    with pytest.raises(Failure, match="does not have enough hosts for slicing") as caught:
        await stock.launch(job_template="deploy", job_slice_count=2)
    assert "update its sources first" in caught.value.hint
    assert stock.all_jobs() == []
    result, _messages = await stock.launch(job_template="deploy", job_slice_count=1)
    assert result["job"]["type"] == "job"


async def test_slices_of_an_inline_definition(stock: Stock) -> None:
    given = {"project": "project", "playbook": "site.yml", "container_group": "controlplane"}
    result, messages = await stock.launch(**given, inventory="b,a,c", job_slice_count=2)
    assert sorted(lines[0] for lines in of_jobs(messages).values()) == ["PLAY on a c", "PLAY on b"]
    assert result["job"]["name"] == "site.yml"
    with pytest.raises(Failure, match="job_slice_count is 2, but the inventory has no hosts"):
        await stock.launch(**given, inventory={"all": {"children": {"web": {}}}}, job_slice_count=2)


async def test_failed_slice_fails_the_whole_and_the_others_go_on(stock: Stock) -> None:
    stock.add("inventory", "many", content=inventory(2))
    stock.template(inventory="many", job_slice_count=2, extra_vars={"fail": True})
    result, _messages = await stock.launch(job_template="deploy")
    assert (result["failed"], result["job"]["status"]) == (True, "failed")
    assert result["job"]["failure"]["reason"] == "WorkflowFailed"
    assert [part["status"] for part in result["job"]["slices"]] == ["failed", "failed"]
    for part in result["job"]["slices"]:
        assert f"job {part['id']} ({part['name']}) ended failed" in result["msg"]
    assert "2 of 2 slices failed: " in result["msg"]
    assert ".;" not in result["msg"]


@pytest.mark.parametrize("end", ["signal", "launcher", "limit"])
@pytest.mark.parametrize("wait", [True, False])
async def test_launch_that_is_to_end_before_there_is_a_job_ends_what_runs_for_it(
    tmp_path: Path, end: str, wait: bool
) -> None:
    """The inventory is read to count its hosts, and takes for ever."""
    stock = Stock(tmp_path)
    slow = stock.folder / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > {stock.folder}/pid\nexec sleep 600\n")
    slow.chmod(0o755)
    given = {"project": "project", "playbook": "site.yml", "container_group": "controlplane"}
    request = stock.request("container_group_job", **given, inventory=str(slow), job_slice_count=2, wait=wait)
    pipe = asyncio.StreamReader()
    started = stock.folder / "pid"
    if end == "limit":
        request = replace(request, limit=4)
    async with launcher() as (told, _pipe):
        going = asyncio.ensure_future(verb("container_group_job")(request, told, Launcher(pipe, None)))
        await until(lambda: started.exists() and bool(started.read_text()))
        if end == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        if end == "launcher":
            pipe.feed_eof()
        with pytest.raises(Failure) as caught:
            async with deadline(DEADLINE):
                await going
    assert caught.value.reason == "Canceled"
    assert caught.value.message.endswith("There was no job yet.")
    assert stock.all_jobs() == []
    stock.store.close()
    await until(lambda: not is_alive(int(started.read_text())))


async def test_cancel_of_a_sliced_job_cancels_its_slices(stock: Stock) -> None:
    stock.add("inventory", "many", content=inventory(2))
    stock.template(inventory="many", job_slice_count=2, extra_vars={"until": "/nowhere/at/all"})
    launch = asyncio.create_task(stock.launch(job_template="deploy"))
    await until(lambda: [job.event_count for job in stock.all_jobs()] == [0, 1, 1])
    result, _messages = await stock.ask("job_cancel", job_id=1)
    assert (result["changed"], result["failed"]) == (True, False)
    await launch
    assert [job.status for job in stock.all_jobs()] == ["canceled"] * 3


async def test_slices_share_one_update_of_their_project(stock: Stock) -> None:
    repository = Repository(stock.folder / "repository")
    stock.add("project", "git", scm_type="git", scm_url=str(repository.folder), scm_update_on_launch=True)
    stock.add("inventory", "many", content=inventory(3))
    stock.template(project="git", inventory="many", job_slice_count=3)
    result, _messages = await stock.launch(job_template="deploy")
    assert result["job"]["status"] == "successful"
    assert [part["scm_revision"] for part in result["job"]["slices"]] == [repository.first] * 3
    assert [job.launch_type for job in stock.all_jobs() if job.type == "project_update"] == ["sync"]


async def test_slices_share_the_failure_of_an_update(stock: Stock) -> None:
    stock.add("project", "git", scm_type="git", scm_url=str(stock.folder / "gone"))
    stock.add("inventory", "many", content=inventory(3))
    stock.template(project="git", inventory="many", job_slice_count=3)
    result, _messages = await stock.launch(job_template="deploy")
    (update,) = [job for job in stock.all_jobs() if job.type == "project_update"]
    assert [part["status"] for part in result["job"]["slices"]] == ["error"] * 3
    for part in result["job"]["slices"]:
        assert part["failure"]["reason"] == "ProjectUpdateFailed"
        assert f"(job {update.id})" in part["job_explanation"]


# --- room -----


async def test_job_waits_for_room_and_runs_when_its_turn_comes(stock: Stock) -> None:
    gate = stock.folder / "gate"
    stock.add("container_group", "controlplane", max_concurrent_jobs=1)
    repository = Repository(stock.folder / "repository")
    project = stock.add("project", "git", scm_type="git", scm_url=str(repository.folder))
    stock.template("first", instance_groups=["controlplane"], extra_vars={"until": str(gate)})
    stock.template("second", project="git", instance_groups=["controlplane"])
    first = asyncio.create_task(stock.launch(job_template="first"))
    await until(lambda: [job.status for job in stock.all_jobs()] == ["running"])
    second = asyncio.create_task(stock.launch(job_template="second"))

    def pending() -> bool:
        found = [job for job in stock.all_jobs() if job.name == "second"]
        return bool(found) and "controlplane has 1 of 1 jobs" in found[0].job_explanation

    await until(pending)
    # Others may have removed the revision that it has waited with.
    shutil.rmtree(stock.folder / "store" / "projects" / str(project) / "revisions" / repository.first)
    gate.touch()
    await first
    result, messages = await second
    assert result["job"]["status"] == "successful"
    assert result["job"]["job_explanation"] == ""
    assert [step for step in texts(messages, "step") if step.startswith("pending: ")]
    assert "it is this job's turn" in texts(messages, "step")


# --- in a pod -----


async def test_template_s_job_runs_in_the_pod_of_its_stored_group(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_waits(monkeypatch)
    stock = Stock(tmp_path)
    async with cluster(tmp_path, authority, GOOD) as at:
        inputs = {
            "host": at.connection.host,
            "bearer_token": at.connection.token,
            "ssl_ca_cert": authority.pem,
        }
        stock.add("credential", "cluster", credential_type="kubernetes_bearer_token", inputs=inputs)
        stock.add("execution_environment", "image", image="example.test/ee:1")
        stock.add("container_group", "small", max_forks=1, **NOWHERE)
        stock.add("container_group", "prod", credential="cluster", namespace="jobs")
        stock.template(instance_groups=["small", "prod"], execution_environment="image")
        result, messages = await stock.launch(job_template="deploy")
        assert at.manifest is not None
        (container,) = at.manifest["spec"]["containers"]
        assert container["image"] == "example.test/ee:1"
        assert not at.exists
    job = result["job"]
    assert (job["status"], job["container_group"], job["namespace"]) == ("successful", "prod", "jobs")
    assert (job["execution_node"], job["pod_name"]) == (NODE, at.manifest["metadata"]["name"])
    assert "image example.test/ee:1" in texts(messages, "step")
    details = [message for message in messages if message.get("verbosity") == 1]
    assert details[0]["text"] == f"connection from the credential with the host {at.connection.host}"
    stock.store.close()
