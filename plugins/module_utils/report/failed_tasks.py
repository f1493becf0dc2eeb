# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failures in a job's events: which task on which host, and what it said."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report import values
from ansible_collections.jobpods.controller.plugins.module_utils.report.tasks import PROJECT, result_of

MESSAGE = 2000
"""Characters of a message."""
WORDS = 1500
"""Characters of each of the other texts of a failure."""
ITEMS = 5
"""Items of a loop that are told."""
ITEM = 100
TEXTS = ("stderr", "module_stderr", "stdout", "module_stdout", "exception")
"""What tells more than the message, where there is any of it."""
NO_TRACEBACK = "(traceback unavailable)"
"""ansible-core 2.19 has this in place of an exception."""


@dataclass(frozen=True)
class TaskFailure:
    """A task that failed on a host.

    Attributes:
        host: its name.
        task: the task's name.
        play: the play's name.
        path: the file in the project, and the line in it.
        result: `failed` or `unreachable`.
        message: what the module said.
        texts: more of its words, by their names.
        items: items of a loop that failed, each with its message.
        other_items: how many more of them failed.
        line: number of the line of output before its own.
    """

    host: str
    task: str
    play: str
    path: str
    result: str
    message: str
    texts: Sequence[tuple[str, str]]
    items: Sequence[tuple[str, str]]
    other_items: int
    line: int


class Failures:
    """The failures of a job: the first ones and the last ones.

    Attributes:
        count: how many there were, without those that were ignored.
        ignored: how many `ignore_errors` has made no failures.
    """

    def __init__(self, limit: int) -> None:
        """Nothing yet.

        Args:
            limit: how many are kept.
        """
        self.count = 0
        self.ignored = 0
        self._first: list[TaskFailure] = []
        self._last: deque[TaskFailure] = deque(maxlen=limit - limit // 2)
        self._room = limit // 2

    def add(self, kind: str, facts: Mapping[str, Any], line: int) -> None:
        """Takes an event of the name `kind`, before whose output there are so many lines."""
        if kind not in ("runner_on_failed", "runner_on_unreachable"):
            return
        result = result_of(kind, facts)
        if result == "ignored":
            self.ignored += 1
            return
        self.count += 1
        failure = _failure(facts, result, line)
        if len(self._first) < self._room:
            self._first.append(failure)
        else:
            self._last.append(failure)

    @property
    def shown(self) -> Sequence[TaskFailure]:
        """Those that are kept, in their order."""
        return [*self._first, *self._last]

    @property
    def left_out(self) -> int:
        """How many are not kept."""
        return self.count - len(self._first) - len(self._last)


def _failure(facts: Mapping[str, Any], result: str, line: int) -> TaskFailure:
    # What `no_log` has hidden is hidden in these facts already, and they say so.
    said = values.mapping(facts.get("res"))
    failed = [
        each for each in _results(said) if each.get("failed") is True or each.get("unreachable") is True
    ]
    return TaskFailure(
        host=values.name(facts.get("host")),
        task=values.name(facts.get("task")),
        play=values.name(facts.get("play")),
        path=values.name(facts.get("task_path")).removeprefix(PROJECT),
        result=result,
        message=_message(said),
        texts=[(name, text) for name in TEXTS if (text := _text(said, name))],
        items=[(_item(each), _message(each)) for each in failed[:ITEMS]],
        other_items=max(0, len(failed) - ITEMS),
        line=line,
    )


def _results(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    results = said.get("results")
    return (values.mapping(each) for each in results) if isinstance(results, list) else iter(())


def _message(said: Mapping[str, Any]) -> str:
    for key in ("msg", "censored"):
        message = said.get(key)
        if message and not isinstance(message, str):
            message = json.dumps(message)
        if found := values.words(message, MESSAGE):
            return found
    return ""


def _text(said: Mapping[str, Any], name: str) -> str:
    text = values.words(said.get(name), WORDS)
    return "" if text == NO_TRACEBACK else text


def _item(said: Mapping[str, Any]) -> str:
    label = said.get("_ansible_item_label", said.get("item", ""))
    return values.name(label if isinstance(label, str) else json.dumps(label), ITEM)
