# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows: AWX's cases as tables, and what is wrong with a graph."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import (
    DO_NOT_RUN,
    UNHANDLED,
    Decision,
    Node,
    cancel,
    check_graph,
    decide,
    find_cycle,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

KINDS = {"S": "success_nodes", "F": "failure_nodes", "A": "always_nodes"}
RESULTS = {
    "S": "successful",
    "F": "failed",
    "E": "error",
    "C": "canceled",
    "P": "pending",
    "W": "waiting",
    "R": "running",
    "-": DO_NOT_RUN,
}


def graph(text: str) -> list[Node]:
    """Nodes in a short form: `a b! a-S->b` has two, and b needs all of its parents."""
    words = text.split()
    names = [word for word in words if "->" not in word]
    links: dict[str, dict[str, list[str]]] = {name.rstrip("!"): {} for name in names}
    for word in words:
        if "->" in word:
            parent, child = word.split("->")
            parent, kind = parent.rsplit("-", 1)
            links[parent].setdefault(KINDS[kind], []).append(child)
    return [
        Node(
            name.rstrip("!"),
            **{kind: tuple(children) for kind, children in links[name.rstrip("!")].items()},
            all_parents_must_converge=name.endswith("!"),
        )
        for name in names
    ]


def results(text: str) -> dict[str, str]:
    """Statuses in a short form: `a:S b:R`."""
    return {name: RESULTS[status] for name, status in (word.split(":") for word in text.split())}


def goes_on(start: str = "", do_not_run: str = "") -> Decision:
    return Decision(start=tuple(start.split()), do_not_run=tuple(do_not_run.split()))


def successful(do_not_run: str = "") -> Decision:
    return Decision(do_not_run=tuple(do_not_run.split()), status="successful")


def failed(do_not_run: str = "") -> Decision:
    return Decision(do_not_run=tuple(do_not_run.split()), status="failed", explanation=UNHANDLED)


ONE_PARENT = "a s f w a-S->s a-F->f a-A->w"
DIAMOND = "a b c d a-S->b a-S->c b-S->d c-S->d"
DIAMOND_ALL = DIAMOND.replace(" d ", " d! ", 1)
LATE = "a b c d a-S->b a-S->d b-F->c c-F->d"
"""AWX's own example: d comes after a and after the failure of c, which only runs after the failure of b."""
LATE_ALL = LATE.replace(" d ", " d! ", 1)
CHAIN = "a b c d a-S->b b-S->c c-A->d"

CASES = {
    "no nodes": ("", "", successful()),
    "nodes without parents start at once": ("a b c", "", goes_on("a b c")),
    "each of them starts once": ("a b c", "a:P b:W c:R", goes_on()),
    "all done": ("a b", "a:S b:S", successful()),
    "one of two runs": ("a b", "a:S b:R", goes_on()),
    # by the way a node ended
    "success": (ONE_PARENT, "a:S", goes_on("s w", "f")),
    "failure": (ONE_PARENT, "a:F", goes_on("f w", "s")),
    "error counts as failure": (ONE_PARENT, "a:E", goes_on("f w", "s")),
    "canceled counts as failure": (ONE_PARENT, "a:C", goes_on("f w", "s")),
    "still running": (ONE_PARENT, "a:R", goes_on()),
    "not known twice": (ONE_PARENT, "a:S f:-", goes_on("s w")),
    "success to the end": (ONE_PARENT, "a:S s:S w:S f:-", successful()),
    "failure that is handled": (ONE_PARENT, "a:F f:S w:S s:-", successful()),
    "failure of what handles it": (ONE_PARENT, "a:F f:F w:S s:-", failed()),
    "no failure path": ("a b a-S->b", "a:F", failed("b")),
    "no failure path for error": ("a", "a:E", failed()),
    "no failure path for canceled": ("a", "a:C", failed()),
    "always path handles failure": ("a b a-A->b", "a:F b:S", successful()),
    "failure ends the workflow late": ("a b c b-S->c", "a:F b:R", goes_on()),
    "and other branches go on": ("a b c b-S->c", "a:F b:S", goes_on("c")),
    "until all have ended": ("a b c b-S->c", "a:F b:S c:S", failed()),
    # any parent
    "diamond": (DIAMOND, "a:S", goes_on("b c")),
    "diamond, one done": (DIAMOND, "a:S b:S c:R", goes_on()),
    "diamond, both done": (DIAMOND, "a:S b:S c:S", goes_on("d")),
    "diamond, one failed": (DIAMOND, "a:S b:S c:F", goes_on("d")),
    "diamond, one failed first": (DIAMOND, "a:S b:F c:R", goes_on()),
    "diamond, both failed": (DIAMOND, "a:S b:F c:F", failed("d")),
    "diamond, ended with one failed": (DIAMOND, "a:S b:S c:F d:S", failed()),
    "diamond, root failed": (DIAMOND, "a:F", failed("b c d")),
    "late, d waits for what may still come": (LATE, "a:S", goes_on("b")),
    "late, b failed": (LATE, "a:S b:F", goes_on("c")),
    "late, b succeeded": (LATE, "a:S b:S", goes_on("d", "c")),
    "late, b and c failed": (LATE, "a:S b:F c:F", goes_on("d")),
    "late, c succeeded": (LATE, "a:S b:F c:S", goes_on("d")),
    "late, a failed": (LATE, "a:F", failed("b c d")),
    "late, d failed at the end": (LATE, "a:S b:S c:- d:F", failed()),
    "late, d waits": (LATE, "a:S b:S c:- d:W", goes_on()),
    # all parents
    "all: one done": (DIAMOND_ALL, "a:S b:S c:R", goes_on()),
    "all: both done": (DIAMOND_ALL, "a:S b:S c:S", goes_on("d")),
    "all: one failed": (DIAMOND_ALL, "a:S b:S c:F", failed("d")),
    "all: one had an error": (DIAMOND_ALL, "a:S b:S c:E", failed("d")),
    "all: one was canceled": (DIAMOND_ALL, "a:S b:C c:S", failed("d")),
    "all: one failed, decided before the other ends": (DIAMOND_ALL, "a:S b:F c:R", goes_on("", "d")),
    "all: and stays so": (DIAMOND_ALL, "a:S b:F c:S d:-", failed()),
    "all: a parent that does not run": (LATE_ALL, "a:S b:S", successful("c d")),
    "all: each by its own link": ("a b c! a-S->c b-F->c", "a:S b:F", goes_on("c")),
    "all: by always": ("a b c! a-A->c b-A->c", "a:E b:S", goes_on("c")),
    "all: wrong way": ("a b c! a-S->c b-F->c", "a:S b:S", successful("c")),
    "all: without parents": ("a! b!", "", goes_on("a b")),
    # what is never reached
    "chain not run": (CHAIN, "a:F", failed("b c d")),
    "chain not run from its middle": (CHAIN, "a:S b:F", failed("c d")),
    "always does not follow what never ran": (CHAIN, "a:F b:- c:-", failed("d")),
    "order of nodes does not matter": ("d c b a a-S->b b-S->c c-A->d", "a:F", failed("d c b")),
    "some branches": ("a b c d a-S->b a-F->c c-A->d b-A->d", "a:S", goes_on("b", "c")),
    "joined again": ("a b c d a-S->b a-F->c c-A->d b-A->d", "a:S b:S c:-", goes_on("d")),
}


@pytest.mark.parametrize(("nodes", "statuses", "expected"), CASES.values(), ids=CASES)
def test_decide(nodes: str, statuses: str, expected: Decision) -> None:
    check_graph(graph(nodes))
    before = results(statuses)
    assert decide(graph(nodes), before) == expected
    assert before == results(statuses), "what it was given is left as it is"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param("", Decision(do_not_run=tuple("abcd"), status="canceled"), id="nothing has started"),
        pytest.param("a:S b:R c:P", Decision(do_not_run=("d",), cancel=("b", "c")), id="two run"),
        pytest.param("a:S b:R c:F d:-", Decision(cancel=("b",)), id="known already"),
        pytest.param("a:S b:C c:C d:-", Decision(status="canceled"), id="all have ended"),
        pytest.param("a:S b:S c:S d:S", Decision(status="canceled"), id="too late for all of them"),
    ],
)
def test_cancel(statuses: str, expected: Decision) -> None:
    assert cancel(graph(DIAMOND), results(statuses)) == expected


@pytest.mark.parametrize("seed", range(40))
def test_every_workflow_ends(seed: int) -> None:
    """Whatever the graph and the results: nothing runs twice, nothing is left, with or without a memory."""
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    names = [f"n{index}" for index in range(12)]
    text = [name + dice.choice(("", "!")) for name in names]
    for index, child in enumerate(names):
        for parent in dice.sample(names[:index], min(index, dice.randint(0, 3))):
            text.append(f"{parent}-{dice.choice('SFA')}->{child}")
    nodes = graph(" ".join(text))
    check_graph(nodes)
    jobs: dict[str, str] = {}
    never: dict[str, str] = {}
    for _step in range(100):
        decision = decide(nodes, {**jobs, **never})
        forgetful = decide(nodes, jobs)
        assert (forgetful.start, forgetful.status) == (decision.start, decision.status)
        assert set(forgetful.do_not_run) == {*decision.do_not_run, *never}
        assert not (set(decision.start) | set(decision.do_not_run)) & (set(jobs) | set(never))
        if decision.status:
            break
        never.update(dict.fromkeys(decision.do_not_run, DO_NOT_RUN))
        jobs.update(dict.fromkeys(decision.start, "running"))
        ending = dice.choice([name for name, status in jobs.items() if status == "running"])
        jobs[ending] = dice.choice(("successful", "failed", "error", "canceled"))
    assert decision.status in ("successful", "failed")
    assert "running" not in jobs.values()
    assert {*jobs, *never, *decision.do_not_run} == set(names)


# -- graphs that are none --


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        pytest.param("a b a", "the identifier 'a' is given twice", id="twice"),
        pytest.param("a a-S->x", "success_nodes of node 'a' names 'x', which is no node", id="unknown"),
        pytest.param("a a-F->a", "failure_nodes of node 'a' names the node itself", id="itself"),
        pytest.param("a b a-S->b a-S->b", "names 'b' twice", id="linked twice"),
        pytest.param(
            "a b a-S->b a-A->b",
            "always_nodes of node 'a' names 'b' and so does its success_nodes",
            id="linked in two ways",
        ),
        pytest.param("a b a-S->b b-S->a", "a cycle, a -> b -> a;", id="cycle of two"),
        pytest.param(
            "r a b c d r-S->a a-S->b b-F->c c-A->a b-S->d", "a cycle, a -> b -> c -> a;", id="cycle of three"
        ),
    ],
)
def test_wrong_graphs(nodes: str, message: str) -> None:
    with pytest.raises(Failure) as caught:
        check_graph(graph(nodes))
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith("workflow_nodes: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        pytest.param({1: [2, 3], 2: [4], 3: [4], 4: []}, [], id="none"),
        pytest.param({1: [1]}, [1, 1], id="itself"),
        pytest.param({1: [2], 2: [3], 3: [2]}, [2, 3, 2], id="not from its start"),
        pytest.param({1: [2, 3], 2: [], 3: [4], 4: [1]}, [1, 3, 4, 1], id="by the second way"),
        pytest.param({index: [index + 1] for index in range(1, 5000)} | {5000: []}, [], id="deep"),
    ],
)
def test_find_cycle(children: Mapping[int, list[int]], expected: list[int]) -> None:
    assert find_cycle([1], lambda number: children[number]) == expected
