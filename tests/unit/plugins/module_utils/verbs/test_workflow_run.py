# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow starts each node when its turn comes, hands artifacts on, and ends with its last job."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    JobRecord,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import Node
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import OwnedRun, Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_run import (
    Plan,
    StartNode,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import DEADLINE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    ended,
    no_waits,
    until,
)

FAILED = Failure("PlaybookFailed", "The playbook failed")
REFUSED = Failure("InvalidConfiguration", "project: there is no project 'gone'.")
GOES_ON = "goes on"
"""In place of an end: the job ends only when it is cancelled, or when the test ends it."""


class Doing:
    """What the job of a node does: it ends as the test wants."""

    pod_name = ""
    pod_uid = None

    def __init__(self, end: asyncio.Future[Failure | None], sets: dict[str, Any], notebook: Notebook) -> None:
        self.summary = Summary(artifacts=sets, stats=True)
        self.summary.hosts["ok"] = 1
        self._end = end
        self._notebook = notebook

    def cancel(self, failure: Failure) -> None:
        if not self._end.done():
            self._end.set_result(failure)

    async def execute(self) -> Outcome:
        await self._notebook.note(status="running")
        return Outcome(await self._end, self.summary)

    async def stored(self, offset: int) -> None:
        return None

    async def bye(self) -> None:
        return None

    async def keep(self, outcome: Outcome) -> None:
        return None

    def removal(self, outcome: Outcome) -> Coroutine[Any, Any, bool] | None:
        return None

    async def close(self) -> None:
        return None


class Nodes:
    """Starts the jobs of nodes.

    Attributes:
        ends: how those end that are not successful: with a failure, or `GOES_ON`.
        refusals: what is raised where a node's job is to be started.
        sets: what they set by set_stats.
        started: identifiers, in their order.
        given: what each was given of those before it.
        live: decides the end of each job that was started.
        gates: what the start of a node waits for.
        begun: those whose start has begun.
    """

    def __init__(self, stock: Stock, jobs: OwnedJobs) -> None:
        self.stock = stock
        self.jobs = jobs
        self.ends: dict[str, Failure | str] = {}
        self.refusals: dict[str, Exception] = {}
        self.sets: dict[str, dict[str, Any]] = {}
        self.started: list[str] = []
        self.given: dict[str, dict[str, Any]] = {}
        self.live: dict[str, asyncio.Future[Failure | None]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []

    def start_of(self, parent: OwnedJob) -> StartNode:
        async def start(identifier: str, artifacts: dict[str, Any]) -> OwnedJob:
            self.given[identifier] = artifacts
            self.begun.append(identifier)
            if identifier in self.gates:
                await self.gates[identifier].wait()
            if identifier in self.refusals:
                raise self.refusals[identifier]
            self.started.append(identifier)
            columns = {"parent_id": parent.id, "workflow_node": identifier}
            return await self.jobs.start(Order("job", identifier, {}, columns), self._prepare, child=True)

        return start

    async def _prepare(self, job: OwnedJob) -> Start:
        end: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self.live[job.name] = end
        wanted = self.ends.get(job.name)
        if not isinstance(wanted, str):
            end.set_result(wanted)

        async def start(_stack: AsyncExitStack, notebook: Notebook, _progress: Progress) -> OwnedRun:
            return Doing(end, self.sets.get(job.name, {}), notebook)

        return start

    async def launch(self, nodes: Sequence[Node]) -> OwnedJob:
        order = Order("workflow_job", "release", {})
        return await Plan(order, nodes, self.start_of).start(self.jobs)

    async def run(self, *nodes: Node) -> JobRecord:
        """The row of a workflow that has ended."""
        job = await ended(await self.launch(nodes))
        assert job.trouble is None
        return await self.jobs.record(job)


@pytest.fixture
async def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nodes]:
    no_waits(monkeypatch)
    stock = Stock(tmp_path)
    async with stock.jobs() as jobs:
        yield Nodes(stock, jobs)
    stock.store.close()


def statuses(nodes: Nodes) -> dict[str, str]:
    """How it stands with the jobs of nodes."""
    return {job.workflow_node: job.status for job in nodes.stock.all_jobs() if job.type == "job"}


A_B = (Node("a", success_nodes=("b",)), Node("b"))


async def test_nodes_run_one_after_the_other(nodes: Nodes) -> None:
    record = await nodes.run(Node("a", success_nodes=("b",)), Node("b", always_nodes=("c",)), Node("c"))
    assert nodes.started == ["a", "b", "c"]
    assert (record.status, record.failure, record.type) == ("successful", None, "workflow_job")
    assert record.host_status_counts["ok"] == 3
    assert record.execution_node == record.controller_node
    assert statuses(nodes) == {"a": "successful", "b": "successful", "c": "successful"}


async def test_roots_run_at_once_and_all_of_them_may_have_to_end_before_another(nodes: Nodes) -> None:
    nodes.ends = {"a": GOES_ON, "b": GOES_ON}
    both = Node("c", all_parents_must_converge=True)
    job = await nodes.launch([Node("a", success_nodes=("c",)), Node("b", success_nodes=("c",)), both])
    await until(lambda: {"a", "b"} <= nodes.live.keys())
    nodes.live["b"].set_result(None)
    await until(lambda: statuses(nodes)["b"] == "successful")
    assert nodes.started == ["a", "b"]
    nodes.live["a"].set_result(None)
    await ended(job)
    assert nodes.started == ["a", "b", "c"]


async def test_without_a_path_for_it_a_failure_is_the_workflow_s(nodes: Nodes) -> None:
    nodes.ends = {"a": FAILED}
    record = await nodes.run(*A_B)
    assert nodes.started == ["a"]
    assert record.status == "failed"
    assert record.failure is not None and record.failure["reason"] == "WorkflowFailed"
    assert record.job_explanation == (
        "No error handling paths found, marking workflow as failed:"
        " job 2 (a) ended failed: The playbook failed"
    )


async def test_sentences_of_several_failures_are_put_together(nodes: Nodes) -> None:
    nodes.ends = dict.fromkeys("ab", Failure("PlaybookFailed", "The playbook failed."))
    record = await nodes.run(Node("a"), Node("b"))
    assert record.job_explanation.endswith(
        "job 2 (a) ended failed: The playbook failed; job 3 (b) ended failed: The playbook failed"
    )


async def test_path_for_a_failure_is_taken_and_no_other(nodes: Nodes) -> None:
    nodes.ends = {"a": FAILED}
    record = await nodes.run(
        Node("a", success_nodes=("good",), failure_nodes=("bad",), always_nodes=("ever",)),
        Node("good", success_nodes=("after",)),
        Node("after"),
        Node("bad"),
        Node("ever"),
    )
    assert sorted(nodes.started) == ["a", "bad", "ever"]
    assert record.status == "successful"


async def test_many_failures_are_counted_and_the_first_ones_named(nodes: Nodes) -> None:
    names = "abcde"
    nodes.ends = dict.fromkeys(names, FAILED)
    record = await nodes.run(*(Node(name) for name in names))
    assert record.job_explanation.count("ended failed") == 3
    assert record.job_explanation.endswith(" and 2 more")


# --- nodes that can't be started -----


async def test_only_node_can_t_be_started(nodes: Nodes) -> None:
    nodes.refusals = {"a": REFUSED}
    record = await nodes.run(*A_B)
    assert nodes.started == []
    assert record.status == "failed"
    assert f"node a (could not be started: {REFUSED.message})" in record.job_explanation


async def test_failure_path_of_a_node_that_can_t_be_started_runs_with_what_was_set_before(
    nodes: Nodes,
) -> None:
    nodes.sets = {"a": {"version": 1}}
    nodes.refusals = {"b": REFUSED}
    record = await nodes.run(Node("a", success_nodes=("b",)), Node("b", failure_nodes=("c",)), Node("c"))
    assert nodes.started == ["a", "c"]
    assert nodes.given["c"] == {"version": 1}
    assert record.status == "successful"


async def test_others_go_on_where_a_node_can_t_be_started(nodes: Nodes) -> None:
    nodes.refusals = {"a": REFUSED}
    nodes.ends = {"b": GOES_ON}
    job = await nodes.launch([Node("a"), Node("b")])
    await until(lambda: "b" in nodes.live)
    nodes.live["b"].set_result(None)
    await ended(job)
    assert statuses(nodes) == {"b": "successful"}
    assert (await nodes.jobs.record(job)).status == "failed"


async def test_fault_of_our_own_leaves_no_job_to_itself(nodes: Nodes) -> None:
    nodes.refusals = {"b": KeyError("oh no")}
    nodes.ends = {"a": GOES_ON}
    record = await nodes.run(Node("a"), Node("b"))
    assert record.failure is not None and record.failure["reason"] == "ControllerLost"
    assert "KeyError: 'oh no'" in record.result_traceback
    await until(lambda: statuses(nodes)["a"] == "canceled")


# --- artifacts -----


async def test_artifacts_are_handed_on_and_the_nearest_win(nodes: Nodes) -> None:
    nodes.sets = {"a": {"who": "a", "first": 1}, "b": {"who": "b"}}
    record = await nodes.run(
        Node("a", success_nodes=("b",)),
        Node("b", success_nodes=("c",)),
        Node("c", success_nodes=("d",)),
        Node("d"),
    )
    assert nodes.given == {
        "a": {},
        "b": {"who": "a", "first": 1},
        "c": {"who": "b", "first": 1},
        "d": {"who": "b", "first": 1},
    }
    assert record.artifacts == {"who": "b", "first": 1}


async def test_artifacts_of_all_parents_come_together(nodes: Nodes) -> None:
    nodes.sets = {"a": {"a": 1}, "b": {"b": 2}}
    together = Node("c", all_parents_must_converge=True)
    await nodes.run(Node("a", success_nodes=("c",)), Node("b", success_nodes=("c",)), together)
    assert nodes.given["c"] == {"a": 1, "b": 2}


async def test_nodes_of_a_workflow_with_very_many_ways_through_it_start_at_once(nodes: Nodes) -> None:
    """Each of 30 steps has 2 nodes, both of which lead to both of the next: there are a milliard ways."""
    steps = [(f"{step}a", f"{step}b") for step in range(30)]
    made = [
        Node(name, always_nodes=following, all_parents_must_converge=True)
        for names, following in zip(steps, [*steps[1:], ()], strict=True)
        for name in names
    ]
    nodes.sets = {"0a": {"begun": True}}
    await nodes.run(*made)
    assert len(nodes.started) == len(made)
    assert nodes.given["29b"] == {"begun": True}


# --- cancel -----


async def test_cancel_ends_what_runs_and_starts_nothing_more(nodes: Nodes) -> None:
    nodes.ends = {"b": GOES_ON}
    job = await nodes.launch([Node("a", success_nodes=("b",)), Node("b", always_nodes=("c",)), Node("c")])
    await until(lambda: "b" in nodes.live)
    job.owner.cancel("Nobody wants it.")
    await ended(job)
    record = await nodes.jobs.record(job)
    assert (record.status, record.job_explanation) == ("canceled", "Nobody wants it.")
    assert statuses(nodes) == {"a": "successful", "b": "canceled"}


async def test_cancel_before_the_first_node(nodes: Nodes) -> None:
    job = await nodes.launch(A_B)
    job.owner.cancel("Nobody wants it.")
    await ended(job)
    assert (await nodes.jobs.record(job)).status == "canceled"
    assert nodes.started == []


async def test_cancel_while_a_node_is_started_ends_that_and_what_runs_and_starts_no_other(
    nodes: Nodes,
) -> None:
    nodes.ends = dict.fromkeys("abc", GOES_ON)
    nodes.gates = {"b": asyncio.Event()}
    job = await nodes.launch([Node("a"), Node("b"), Node("c")])
    await until(lambda: "b" in nodes.begun)
    job.owner.cancel("Nobody wants it.")
    await ended(job)
    assert nodes.begun == ["a", "b"]
    assert statuses(nodes) == {"a": "canceled"}
    assert (await nodes.jobs.record(job)).status == "canceled"


async def test_job_of_a_node_that_was_just_made_when_the_cancel_came_is_cancelled_before_its_workflow(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.ends = {"a": GOES_ON}
    nodes.gates = {"a": asyncio.Event()}
    create, begun, go_on = JobStore.create, threading.Event(), threading.Event()

    def slowly(store: JobStore, new: NewJob) -> int:
        begun.set()
        go_on.wait(DEADLINE)
        return create(store, new)

    job = await nodes.launch(A_B)
    await until(lambda: "a" in nodes.begun)
    monkeypatch.setattr(JobStore, "create", slowly)
    nodes.gates["a"].set()
    await asyncio.to_thread(begun.wait, DEADLINE)
    job.owner.cancel("Nobody wants it.")
    await asyncio.sleep(0)
    go_on.set()
    await ended(job)
    assert statuses(nodes) == {"a": "canceled"}
    assert (await nodes.jobs.record(job)).status == "canceled"


async def test_job_of_a_node_that_somebody_cancels_is_a_failure_of_the_node(nodes: Nodes) -> None:
    nodes.ends = {"a": GOES_ON}
    job = await nodes.launch([Node("a", failure_nodes=("b",)), Node("b")])
    await until(lambda: "a" in nodes.live)
    nodes.stock.store.request_cancel(2)
    await ended(job)
    assert statuses(nodes) == {"a": "canceled", "b": "successful"}
    assert (await nodes.jobs.record(job)).status == "successful"
