# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow job template runs its nodes with what each, the workflow, and the jobs before it say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    PROMPTS,
    WORKFLOW_PROMPTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    no_waits,
    scripted_runner,
    until,
)

Node = dict[str, Any]


def node(identifier: str, runs: str = "deploy", kind: str = "job_template", /, **fields: Any) -> Node:
    """A node; links are given by `success="a b"` and the like."""
    links = {
        f"{link}_nodes": [{"identifier": name} for name in fields.pop(link).split()]
        for link in ("success", "failure", "always")
        if link in fields
    }
    related = {**links, **fields.pop("related", {})}
    made = {"identifier": identifier, "unified_job_template": {"name": runs, "type": kind}, **fields}
    return {**made, "related": related} if related else made


def asking(prompts: tuple[str, ...]) -> dict[str, Any]:
    return {f"ask_{name}_on_launch": True for name in prompts}


class Flow(Stock):
    """A stock with the template `deploy`, which asks for everything, and a workflow."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.template(**asking(PROMPTS))

    def workflow(self, *nodes: Node, name: str = "release", **given: Any) -> int:
        made = self.objects.save("workflow_job_template", Wanted(name, given, nodes=nodes))
        assert made.id is not None
        return made.id

    async def run(self, name: str = "release", **given: Any) -> dict[str, Any]:
        """What is returned of the workflow's job."""
        result, _messages = await self.ask("workflow_job", workflow_job_template=name, **given)
        job: dict[str, Any] = result["job"]
        assert result["failed"] is (job["status"] != "successful")
        return job

    def of_node(self, identifier: str) -> JobRecord:
        """The only job of a node."""
        (job,) = (job for job in self.all_jobs() if job.workflow_node == identifier)
        return job


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    no_waits(monkeypatch)
    scripted_runner(tmp_path, monkeypatch)
    made = Flow(tmp_path)
    yield made
    made.store.close()


async def test_nodes_of_all_kinds_run_and_belong_to_the_workflow_s_job(flow: Flow) -> None:
    organization = flow.add("organization", "first")
    inner = flow.workflow(node("inside"), name="inner")
    number = flow.workflow(
        node("sync", "code", "project", success="deploy"),
        node("deploy", success="more"),
        node("more", "inner", "workflow_job_template"),
        organization="first",
    )
    job = await flow.run()
    assert (job["type"], job["name"], job["status"]) == ("workflow_job", "release", "successful")
    assert (job["workflow_job_template"], job["organization"]) == (number, organization)
    assert [(part["workflow_node"], part["type"], part["launch_type"]) for part in job["slices"]] == [
        ("sync", "project_update", "workflow"),
        ("deploy", "job", "workflow"),
        ("more", "workflow_job", "workflow"),
    ]
    assert {part["workflow_job"] for part in job["slices"]} == {job["id"]}
    inside = flow.of_node("inside")
    assert (inside.parent_id, inside.status) == (flow.of_node("more").id, "successful")
    assert flow.of_node("more").workflow_job_template_id == inner
    assert job["host_status_counts"]["ok"] == 2


async def test_variables_of_workflow_artifacts_node_and_template_win_in_this_order(flow: Flow) -> None:
    names = ("workflow", "artifact", "node", "template")
    flow.template("last", extra_vars=dict.fromkeys(names, "template"), ask_variables_on_launch=True)
    setting = {"set": dict.fromkeys(names[:2], "artifact")}
    flow.workflow(
        node("first", extra_data=setting, success="second"),
        node("second", "last", extra_data=dict.fromkeys(names[:3], "node")),
        extra_vars={"workflow": "workflow"},
    )
    await flow.run()
    assert flow.asked(flow.of_node("second").id)["extra_vars"] == {name: name for name in names}


async def test_variables_of_a_launch_win_over_the_workflow_s(flow: Flow) -> None:
    flow.workflow(node("a"), extra_vars={"x": 1, "y": 1}, ask_variables_on_launch=True)
    await flow.run(extra_vars={"x": 2})
    assert flow.asked(flow.of_node("a").id)["extra_vars"] == {"x": 2, "y": 1}


async def test_what_a_node_says_is_for_its_template(flow: Flow) -> None:
    flow.add("container_group", "controlplane", max_forks=9)
    flow.add("credential", "key", credential_type="machine")
    flow.add("inventory", "others", content={"all": {"hosts": {"b": None}}})
    flow.workflow(
        node(
            "a",
            limit="b",
            job_tags="x,y",
            forks=3,
            inventory={"name": "others"},
            related={"credentials": [{"name": "key"}], "instance_groups": [{"name": "controlplane"}]},
        )
    )
    job = await flow.run()
    options = flow.asked(flow.of_node("a").id)
    assert (options["limit"], options["tags"], options["forks"]) == ("b", ["x", "y"], 3)
    assert options["credentials"] == [{"stored": flow.objects.get("credential", "key", "name").id}]
    assert flow.store.stdout(flow.of_node("a").id)[0].startswith("PLAY on b\n")
    assert job["status"] == "successful"


async def test_what_the_workflow_says_wins_over_its_nodes(flow: Flow) -> None:
    flow.workflow(node("a", limit="b"), limit="c", ask_inventory_on_launch=True, ask_tags_on_launch=True)
    await flow.run(inventory="d,e", tags=["x"])
    options = flow.asked(flow.of_node("a").id)
    assert (options["limit"], options["inventory"], options["tags"]) == ("c", "d,e", ["x"])


async def test_template_takes_only_what_it_asks_for(flow: Flow) -> None:
    flow.template("quiet", limit="a")
    flow.workflow(node("a", "quiet"), limit="c", ask_inventory_on_launch=True)
    await flow.run(inventory="d,")
    options = flow.asked(flow.of_node("a").id)
    assert options["limit"] == "a"
    assert options["inventory"] == {"stored": flow.objects.get("inventory", "hosts", "name").id}


async def test_inventory_that_a_workflow_is_launched_with_is_its_job_s(flow: Flow) -> None:
    number = flow.add("inventory", "other", content={"all": {"hosts": {"z": None}}})
    flow.workflow(node("a"), ask_inventory_on_launch=True)
    assert (await flow.run(inventory="other"))["inventory"] == number
    assert (await flow.run(inventory="d,"))["inventory"] is None


async def test_workflow_within_a_workflow_takes_only_what_it_asks_for(flow: Flow) -> None:
    flow.workflow(node("x"), name="quiet", limit="inner")
    flow.workflow(node("y"), name="asks", limit="inner", **asking(WORKFLOW_PROMPTS))
    flow.workflow(
        node("a", "quiet", "workflow_job_template"),
        node("b", "asks", "workflow_job_template"),
        limit="outer",
        extra_vars={"given": True},
    )
    await flow.run()
    assert [flow.asked(flow.of_node(name).id)["limit"] for name in ("x", "y")] == ["inner", "outer"]
    assert [flow.asked(flow.of_node(name).id)["extra_vars"] for name in ("x", "y")] == [{"given": True}] * 2


async def test_answers_to_the_workflow_s_survey_are_variables(flow: Flow) -> None:
    question = {"question_name": "Which?", "variable": "version", "type": "integer", "required": True}
    survey = {
        "name": "",
        "description": "",
        "spec": [{**question, "default": None, "min": 1, "max": 9, "choices": []}],
    }
    flow.workflow(node("a"), survey_enabled=True, survey_spec=survey)
    with pytest.raises(Failure, match="'version' value missing"):
        await flow.run()
    await flow.run(extra_vars={"version": 3})
    assert flow.asked(flow.of_node("a").id)["extra_vars"] == {"version": 3}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"name": "gone"}, "there is no workflow job template 'gone'", id="no workflow"),
        pytest.param({"name": "empty"}, "The workflow 'empty' has no nodes", id="no nodes"),
        *(
            pytest.param(
                {option: value},
                f"{option} is given, but the workflow job template does not ask for it: set its ask_",
                id=option,
            )
            for option, value in (
                ("inventory", "a,"),
                ("limit", "a"),
                ("scm_branch", "main"),
                ("tags", ["a"]),
                ("skip_tags", ["a"]),
            )
        ),
        pytest.param(
            {"extra_vars": {"x": 1}},
            "extra_vars has x, but the workflow job template asks for no variables",
            id="variables",
        ),
    ],
)
async def test_what_can_t_be_is_refused_before_there_is_a_job(
    flow: Flow, given: dict[str, Any], words: str
) -> None:
    flow.workflow(node("a"))
    flow.workflow(name="empty")
    with pytest.raises(Failure, match=words):
        await flow.run(**given)
    assert flow.all_jobs() == []


async def test_node_that_can_t_start_is_an_error_with_its_reason_and_its_failure_path_runs(
    flow: Flow,
) -> None:
    flow.template("broken", playbook="gone.yml")
    flow.workflow(node("a", "broken", failure="b", success="c"), node("b"), node("c"))
    job = await flow.run()
    assert job["status"] == "successful"
    refused = flow.of_node("a")
    assert (refused.type, refused.name, refused.status) == ("job", "broken", "error")
    assert refused.failure is not None and refused.failure["reason"] == "PlaybookNotFound"
    template = flow.objects.get("job_template", "broken", "job_template")
    assert (refused.job_template_id, refused.project_id, refused.inventory_id) == (
        template.id,
        template.values["project"],
        template.values["inventory"],
    )
    assert [part["workflow_node"] for part in job["slices"]] == ["a", "b"]


async def test_failed_job_of_a_node_fails_the_workflow(flow: Flow) -> None:
    flow.workflow(node("a", extra_data={"fail": True}, success="b"), node("b"))
    job = await flow.run()
    failed = flow.of_node("a")
    assert (job["status"], job["failure"]["reason"]) == ("failed", "WorkflowFailed")
    assert f"job {failed.id} (deploy) ended failed" in job["job_explanation"]


async def test_sliced_template_of_a_node_is_a_workflow_job_within(flow: Flow) -> None:
    flow.add("inventory", "many", content={"all": {"hosts": {"a": None, "b": None}}})
    flow.template("sliced", inventory="many", job_slice_count=2)
    flow.workflow(node("cut", "sliced", success="after"), node("after"))
    job = await flow.run()
    assert [(part["workflow_node"], part["type"]) for part in job["slices"]] == [
        ("cut", "workflow_job"),
        ("after", "job"),
    ]
    assert [child.job_slice_number for child in flow.store.children(job["slices"][0]["id"])] == [1, 2]
    assert job["host_status_counts"]["ok"] == 3


async def test_slices_that_a_node_asks_for_need_no_hosts(flow: Flow) -> None:
    """As in AWX, which passes such a prompt of a node over, though it refuses that of a launch."""
    flow.add("inventory", "none", content={"all": {"children": {"web": {}}}})
    flow.template("cut", inventory="none", ask_job_slice_count_on_launch=True)
    flow.workflow(node("a", "cut", job_slice_count=2))
    job = await flow.run()
    assert [(part["type"], part["status"]) for part in job["slices"]] == [("job", "successful")]


@pytest.mark.parametrize("wait", [True, False])
async def test_jobs_of_nodes_are_attached_where_the_workflow_is(flow: Flow, wait: bool) -> None:
    flow.workflow(node("inside"), name="inner")
    flow.workflow(
        node("sync", "code", "project"),
        node("deploy"),
        node("more", "inner", "workflow_job_template"),
    )
    await flow.ask("workflow_job", workflow_job_template="release", wait=wait)
    jobs = flow.all_jobs()
    assert [job.status for job in jobs] == ["successful"] * 5
    assert [job.wait for job in jobs] == [wait] * 5


async def test_cancel_of_a_workflow_cancels_all_within_it(flow: Flow) -> None:
    flow.workflow(node("inside", extra_data={"until": "/nowhere/at/all"}), name="inner")
    flow.workflow(node("more", "inner", "workflow_job_template", always="after"), node("after"))
    running = asyncio.create_task(flow.run())
    await until(lambda: [job.event_count for job in flow.all_jobs()] == [0, 0, 1])
    await flow.ask("job_cancel", job_id=1)
    assert (await running)["status"] == "canceled"
    assert [job.status for job in flow.all_jobs()] == ["canceled"] * 3


async def test_check_mode_is_for_the_playbooks_of_its_nodes(flow: Flow) -> None:
    flow.workflow(node("a"))
    await flow.run(check=True)
    assert flow.store.request(flow.of_node("a").id)["check"] is True
