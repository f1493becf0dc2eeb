# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page says of a job by its events: tasks, hosts, failures and output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.jobpods.controller.plugins.module_utils.report.digest import Digest
from ansible_collections.jobpods.controller.plugins.module_utils.report.failed_tasks import (
    Failures,
    TaskFailure,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.hosts import RECAP, HostCounts
from ansible_collections.jobpods.controller.plugins.module_utils.report.markup import (
    Markup,
    element,
    joined,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.output import KeptOutput, Part
from ansible_collections.jobpods.controller.plugins.module_utils.report.tasks import TaskTime, TaskTimes
from ansible_collections.jobpods.controller.plugins.module_utils.report.timeline import (
    Row,
    Span,
    chart,
    duration,
)

SLOWEST = 15
"""Tasks that are listed as the slowest."""
FEW = 40
"""Rows of a table that is open from the start."""
GAP_WORDS = "left out of this page; the store has them"


def sections(digest: Digest, anchor: str, level: int) -> Iterator[tuple[str, str, Markup]]:
    """The sections that there is something for: the last word of each one's anchor, its title, and itself.

    Args:
        digest: what the events add up to.
        anchor: the job's, with which those of its sections begin.
        level: of the sections' headings.
    """
    made = (
        ("failures", "Failures", _failures(digest.failures, digest, anchor)),
        ("hosts", "Hosts", _hosts(digest.hosts)),
        ("tasks", "Tasks", _tasks(digest.tasks)),
        ("slowest", "Slowest tasks", _slowest(digest.tasks)),
        ("output", "Output", _output(digest.output, anchor)),
    )
    for name, title, content in made:
        if content:
            yield name, title, section(title, content, f"{anchor}-{name}", level)


def section(title: str, content: Markup, anchor: str, level: int) -> Markup:
    """A section with a heading."""
    heading = element(f"h{level}", title, id=f"{anchor}-title")
    return element("section", heading, content, id=anchor, aria_labelledby=f"{anchor}-title")


def note(text: str) -> Markup:
    """What is to be known of a section."""
    return element("p", text, class_="note")


def _several(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


# -- tasks --


def _tasks(tasks: TaskTimes) -> Markup:
    rows = list(_task_rows(tasks))
    if not rows:
        return Markup()
    table = chart("Tasks over time, in the order in which they began", rows)
    words = f"All {_several(len(rows), 'task')}" if len(rows) > 1 else "The task"
    more = Markup()
    if tasks.left_out:
        words = f"The longest {len(rows):,} tasks, and those that failed"
        more = note(f"{_several(tasks.left_out, 'task')} more took less time, and are {GAP_WORDS}.")
    shown = element("details", element("summary", words), table, open=len(rows) <= FEW)
    return joined((more, shown))


def _task_rows(tasks: TaskTimes) -> Iterator[Row]:
    play = ""
    for task in tasks.shown:
        if task.start is None:
            continue
        running = task.status == "running"
        end = tasks.last if running else task.end
        end = task.start if end is None else max(end, task.start)
        took = f"{duration(end - task.start)}, then no end" if running else duration(task.seconds)
        spans = [Span(task.start, end, task.status)]
        heading = f"Play: {task.play}" if task.play not in ("", play) else ""
        yield Row(_task_label(task), spans, took, heading=heading)
        play = task.play


def _task_label(task: TaskTime) -> Markup:
    path = element("small", task.path) if task.path else Markup()
    return joined((task.name, Markup(" "), path))


def _slowest(tasks: TaskTimes) -> Markup:
    slowest = sorted(tasks.shown, key=lambda task: task.seconds, reverse=True)[:SLOWEST]
    if len(slowest) < 2:
        return Markup()
    rows = [
        element(
            "tr",
            element("th", _task_label(task), scope="row"),
            element("td", duration(task.seconds), class_="number"),
            element("td", f"{sum(task.results.values()):,}", class_="number"),
            element("td", f"{task.slowest} ({duration(task.longest)})" if task.slowest else ""),
        )
        for task in slowest
    ]
    return _table("Slowest tasks", ("Task", "Time", "Hosts", "Slowest host"), rows, numbers=(1, 2))


# -- hosts --


def _hosts(hosts: HostCounts) -> Markup:
    if not hosts.hosts:
        return Markup()
    rows = [
        element(
            "tr",
            element("th", host, scope="row"),
            *(
                element("td", f"{counts[name]:,}", class_=f"number {name if counts[name] else 'zero'}")
                for name in RECAP
            ),
        )
        for host, counts in hosts.hosts.items()
    ]
    names = [name.capitalize() for name in RECAP]
    table = _table("Recap by host", ("Host", *names), rows, numbers=range(1, len(names) + 1))
    words = []
    if not hosts.recap:
        words.append("The playbook gave no recap: this is what its events tell.")
    if hosts.left_out:
        more = f"{_several(hosts.left_out, 'host')} more" if hosts.recap else "More hosts"
        words.append(f"{more} are {GAP_WORDS}; those that failed come first.")
    told = note(" ".join(words)) if words else Markup()
    if len(rows) <= FEW:
        return joined((told, table))
    return joined((told, element("details", element("summary", _several(len(rows), "host")), table)))


def _table(name: str, heads: Sequence[str], rows: Sequence[Markup], numbers: Sequence[int] = ()) -> Markup:
    """A table that can be scrolled sideways on a narrow screen, also with the keyboard."""
    head = [
        element("th", head, scope="col", class_="number" if number in numbers else None)
        for number, head in enumerate(heads)
    ]
    table = element(
        "table",
        element("caption", name, class_="unseen"),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
    )
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label=name)


# -- failures --


def _failures(failures: Failures, digest: Digest, anchor: str) -> Markup:
    told = []
    if failures.left_out:
        told.append(f"{_several(failures.left_out, 'failure')} between these are {GAP_WORDS}.")
    if failures.ignored:
        told.append(f"{_several(failures.ignored, 'failure')} ignored, as ignore_errors says.")
    parts = [*digest.output.head, *digest.output.tail]
    # Only a recap tells that a failure was rescued.
    failed = digest.hosts.failed if digest.hosts.recap and not digest.hosts.left_out else None
    items = [
        element("li", _failure(each, parts, anchor, rescued=failed is not None and each.host not in failed))
        for each in failures.shown
    ]
    listed = element("ol", *items, class_="failures") if items else Markup()
    return joined((note(" ".join(told)) if told else Markup(), listed))


def _failure(failure: TaskFailure, parts: Sequence[Part], anchor: str, *, rescued: bool) -> Markup:
    result = "rescued" if rescued else failure.result
    where = next((part for part in parts if part.first <= failure.line <= part.last), None)
    link = Markup()
    if where is not None:
        link = element("a", f"output, line {failure.line:,}", href=f"#{_lines_anchor(anchor, where)}")
    facts = [failure.path, f"play {failure.play}" if failure.play else "", link]
    told = [element("span", fact) for fact in facts if fact]
    return joined(
        (
            element(
                "p",
                element("strong", failure.host),
                Markup(" "),
                element("span", result, class_=f"badge {result}"),
                Markup(" "),
                failure.task,
            ),
            element("p", *told, class_="places"),
            element("pre", failure.message) if failure.message else Markup(),
            *(joined((element("p", f"Item {item}"), element("pre", said))) for item, said in failure.items),
            note(f"{_several(failure.other_items, 'item')} more failed.")
            if failure.other_items
            else Markup(),
            *(
                element("details", element("summary", name), element("pre", text), open=number == 0)
                for number, (name, text) in enumerate(failure.texts)
            ),
        )
    )


# -- output --


def _output(output: KeptOutput, anchor: str) -> Markup:
    if not output.lines:
        return Markup()
    parts = [*output.head, *output.tail]
    shown = [_part(part, anchor, is_open=part is parts[-1]) for part in parts]
    buttons = Markup()
    if len(parts) > 1:
        buttons = element(
            "p",
            element("button", "Show all", type="button", data_open=f"{anchor}-output"),
            Markup(" "),
            element("button", "Hide all", type="button", data_close=f"{anchor}-output"),
            class_="buttons",
            hidden=True,
        )
    if output.left_out:
        lines = "1 line is" if output.left_out == 1 else f"{output.left_out:,} lines are"
        gap = note(f"{lines} {GAP_WORDS}. A larger max_output_size has more of them.")
        shown.insert(len(output.head), gap)
    return joined((buttons, *shown))


def _lines_anchor(anchor: str, part: Part) -> str:
    return f"{anchor}-line-{part.first}"


def _part(part: Part, anchor: str, *, is_open: bool) -> Markup:
    lines = b"\n".join(part.lines).decode("utf-8")
    words = f"Line {part.first:,}" if part.first == part.last else f"Lines {part.first:,} to {part.last:,}"
    # A line feed right after the start of a <pre> is dropped; so there is always one that may be.
    text = Markup(f'<pre class="output">\n{lines}\n</pre>')
    return element("details", element("summary", words), text, id=_lines_anchor(anchor, part), open=is_open)
