# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts next in a workflow, what will never run, and how it ends: the rules, as in AWX."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

DO_NOT_RUN = "do_not_run"
"""In place of a job's status: the node will never have a job."""
LINKS = ("success_nodes", "failure_nodes", "always_nodes")
UNHANDLED = "No error handling paths found, marking workflow as failed"

T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """A node of a workflow.

    Attributes:
        identifier: unique within the workflow.
        success_nodes: identifiers of those that run after it was successful.
        failure_nodes: of those that run after it was not.
        always_nodes: of those that run after it, however it ended.
        all_parents_must_converge: it runs only if all of its parents have ended so that they lead here; else
            one of them is enough.
    """

    identifier: str
    success_nodes: tuple[str, ...] = ()
    failure_nodes: tuple[str, ...] = ()
    always_nodes: tuple[str, ...] = ()
    all_parents_must_converge: bool = False

    @property
    def children(self) -> tuple[str, ...]:
        """Identifiers of all nodes that it has a link to."""
        return (*self.success_nodes, *self.failure_nodes, *self.always_nodes)

    def leads_to(self, status: str) -> tuple[str, ...]:
        """Identifiers of the nodes that may run after it ended so; whatever is no success is a failure."""
        if status == DO_NOT_RUN:
            return ()
        return (*(self.success_nodes if status == "successful" else self.failure_nodes), *self.always_nodes)


@dataclass(frozen=True)
class Decision:
    """What comes next in a workflow.

    Attributes:
        start: identifiers of the nodes whose jobs start now.
        do_not_run: of those that will never run, and were not known to.
        cancel: of those whose jobs must be cancelled.
        status: that the workflow ends with; None as long as it goes on.
        explanation: why, where that says more than the status.
    """

    start: tuple[str, ...] = ()
    do_not_run: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()
    status: Literal["successful", "failed", "canceled"] | None = None
    explanation: str = ""


def decide(nodes: Sequence[Node], statuses: Mapping[str, str]) -> Decision:
    """What comes next. It follows from the jobs' statuses alone, so nothing else need be remembered.

    A node starts when all its parents have ended or will never run, and at least one of them, or all where it
    says so, leads to it by the way it ended.

    Args:
        nodes: of a graph that `check_graph` has accepted.
        statuses: of the nodes' jobs, by identifier; `DO_NOT_RUN` where that was decided already, nothing
            where there is no job yet.
    """
    known, start = dict(statuses), []
    parents = _parents(nodes)
    for node in _parents_first(nodes, parents):
        if node.identifier in known:
            continue
        fate = _fate(node, parents[node.identifier], known)
        if fate == "start":
            start.append(node.identifier)
        elif fate == DO_NOT_RUN:
            known[node.identifier] = DO_NOT_RUN
    chosen = set(start)
    ended = not start and all(_ended(known.get(node.identifier)) for node in nodes)
    unhandled = [node for node in nodes if _is_unhandled(node, known)] if ended else []
    return Decision(
        start=tuple(node.identifier for node in nodes if node.identifier in chosen),
        do_not_run=_new(nodes, known, statuses),
        status=("failed" if unhandled else "successful") if ended else None,
        explanation=UNHANDLED if unhandled else "",
    )


def cancel(nodes: Sequence[Node], statuses: Mapping[str, str]) -> Decision:
    """What comes next in a workflow that somebody wants cancelled; it is, when all of its jobs have ended.

    Args:
        nodes: the workflow's.
        statuses: as for `decide`.
    """
    known = {node.identifier: statuses.get(node.identifier, DO_NOT_RUN) for node in nodes}
    running = tuple(identifier for identifier, status in known.items() if not _ended(status))
    return Decision(
        do_not_run=_new(nodes, known, statuses), cancel=running, status=None if running else "canceled"
    )


def _fate(node: Node, parents: Sequence[Node], known: Mapping[str, str]) -> str:
    """`start`, `DO_NOT_RUN`, or nothing yet."""
    if not parents:
        return "start"
    reached, undecided = 0, 0
    for parent in parents:
        status = known.get(parent.identifier)
        if not _ended(status):
            undecided += 1
        elif node.identifier in parent.leads_to(str(status)):
            reached += 1
        elif node.all_parents_must_converge:
            return DO_NOT_RUN
    if undecided:
        return ""
    return "start" if reached else DO_NOT_RUN


def _ended(status: str | None) -> bool:
    return status in FINAL or status == DO_NOT_RUN


def _is_unhandled(node: Node, known: Mapping[str, str]) -> bool:
    """Whether a node failed and has no link for that."""
    failed = known[node.identifier] not in ("successful", DO_NOT_RUN)
    return failed and not node.failure_nodes and not node.always_nodes


def _new(nodes: Iterable[Node], known: Mapping[str, str], before: Mapping[str, str]) -> tuple[str, ...]:
    names = (node.identifier for node in nodes)
    return tuple(name for name in names if known.get(name) == DO_NOT_RUN != before.get(name))


def _parents(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {node.identifier: [] for node in nodes}
    for node in nodes:
        for child in node.children:
            found[child].append(node)
    return found


def _parents_first(nodes: Iterable[Node], parents: Mapping[str, Sequence[Node]]) -> Iterator[Node]:
    """Each node after all of its parents."""
    by_name = {node.identifier: node for node in nodes}
    left = {name: len(found) for name, found in parents.items()}
    ready = [node for node in by_name.values() if not left[node.identifier]]
    while ready:
        node = ready.pop()
        yield node
        for child in node.children:
            left[child] -= 1
            if not left[child]:
                ready.append(by_name[child])


# -- whether a graph is one --


def check_graph(nodes: Sequence[Node], option: str = "workflow_nodes") -> None:
    """Checks what the nodes of a workflow say about each other.

    Args:
        nodes: all of the workflow.
        option: what users call them, for messages.

    Raises:
        Failure: `InvalidConfiguration`; it names the node.
    """
    names = [node.identifier for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"{option}: the identifier {name!r} is given twice.")
    for node in nodes:
        _check_links(node, frozenset(names), option)
    by_name = {node.identifier: node for node in nodes}
    cycle = find_cycle(names, lambda name: by_name[name].children)
    if cycle:
        raise _invalid(
            f"{option}: the links make a cycle, {' -> '.join(cycle)}; a node can't come after itself."
        )


def _check_links(node: Node, names: Collection[str], option: str) -> None:
    linked: dict[str, str] = {}
    for kind in LINKS:
        where = f"{option}: {kind} of node {node.identifier!r}"
        for child in getattr(node, kind):
            if child not in names:
                raise _invalid(f"{where} names {child!r}, which is no node of this workflow.")
            if child == node.identifier:
                raise _invalid(f"{where} names the node itself.")
            if child in linked:
                again = "twice" if linked[child] == kind else f"and so does its {linked[child]}"
                raise _invalid(f"{where} names {child!r} {again}; a node has one link to another.")
            linked[child] = kind


def find_cycle(starts: Iterable[T], children: Callable[[T], Iterable[T]]) -> list[T]:
    """A way from something back to itself, with that at both ends; empty where there is none.

    Args:
        starts: where to look from.
        children: what can be reached from something in one step.
    """
    done: set[T] = set()
    for start in starts:
        path: list[T] = []
        steps: list[Iterator[T]] = [iter((start,))]
        while steps:
            following = next(steps[-1], None)
            if following is None:
                steps.pop()
                if path:
                    done.add(path.pop())
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                path.append(following)
                steps.append(iter(children(following)))
    return []


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
