# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a job as one HTML page that needs nothing else, and may load nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report.digest import (
    Digest,
    ReportedJob,
    Room,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.markup import (
    Markup,
    element,
    joined,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.of_events import section, sections
from ansible_collections.jobpods.controller.plugins.module_utils.report.of_row import (
    children,
    head,
    kind,
    pods,
    start,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.style import SCRIPT, STYLE

MAX_JOBS = 100
"""Jobs that have a part of the page each; slices and nodes beyond them are only listed."""
ANCHOR = "job-"
"""What the anchor of each job begins with."""

Events = Callable[[int], Iterable[Mapping[str, Any]]]
"""The events of a job, as ansible-runner wrote them."""


@dataclass
class LeftOut:
    """What a page does not have, for its size: jobs, lines of output, tasks, hosts and failures."""

    jobs: int = 0
    lines: int = 0
    tasks: int = 0
    hosts: int = 0
    failures: int = 0

    def __str__(self) -> str:
        return ", ".join(
            f"{number:,} {name.removesuffix('s') if number == 1 else name}"
            for name, number in vars(self).items()
            if number
        )


class Page:
    """The report of a job, and of its slices or the jobs of its nodes.

    Attributes:
        left_out: what the page does not have, once it is written.
        jobs: how many jobs have a part of it.
    """

    def __init__(self, job: ReportedJob, events: Events, max_output: int) -> None:
        """Gets ready.

        Args:
            job: the job.
            events: read once for each job; only what the page has of them is kept.
            max_output: bytes of output as HTML, of all jobs together.
        """
        self.left_out = LeftOut()
        self._job = job
        self._events = events
        everything = list(job.with_all_within())
        self._told = everything[:MAX_JOBS]
        self.jobs = len(self._told)
        self.left_out.jobs = len(everything) - self.jobs
        self._max_output = max_output

    def pieces(self) -> Iterator[bytes]:
        """The page, piece by piece."""
        yield _encoded(_beginning(self._job))
        room = self._max_output
        limits = Room.shared(self.jobs)
        for number, job in enumerate(self._told):
            level = 1 if number == 0 else 2
            digest = None
            if job.facts["event_count"]:
                # What one job does not need is left for those after it.
                digest = Digest(replace(limits, output=room // (self.jobs - number)))
                for event in self._events(job.id):
                    digest.add(event)
                room -= digest.output.size
                self._count(digest)
            yield _encoded(self._article(job, digest, level))
        yield _encoded(_end(self.left_out))

    def _count(self, digest: Digest) -> None:
        left_out = self.left_out
        left_out.lines += digest.output.left_out
        left_out.tasks += digest.tasks.left_out
        left_out.hosts += digest.hosts.left_out
        left_out.failures += digest.failures.left_out

    def _article(self, job: ReportedJob, digest: Digest | None, level: int) -> Markup:
        anchor = f"{ANCHOR}{job.id}"
        found = list(self._sections(job, digest, anchor, level + 1))
        links = [element("li", element("a", title, href=f"#{anchor}-{name}")) for name, title, _all in found]
        contents = Markup()
        if len(links) > 1:
            contents = element("nav", element("ul", *links), aria_label=f"Contents of {kind(job).lower()}")
        up = Markup()
        if job is not self._job:
            up = element(
                "p", element("a", f"Up to {kind(self._job).lower()}", href=f"#{ANCHOR}{self._job.id}")
            )
        parts = (head(job, anchor, level), contents, *(each for _name, _title, each in found), up)
        return element("article", *parts, id=anchor, aria_labelledby=f"{anchor}-title")

    def _sections(
        self, job: ReportedJob, digest: Digest | None, anchor: str, level: int
    ) -> Iterator[tuple[str, str, Markup]]:
        if job.children:
            told = {each.id for each in self._told}
            listed = children(job, told, ANCHOR)
            yield "jobs", "Jobs", section("Jobs", listed, f"{anchor}-jobs", level)
        elif job.stays:
            yield "pods", "Pods", section("Pods", pods(job), f"{anchor}-pods", level)
        begun = start(job)
        if begun:
            yield "start", "Start", section("Start", begun, f"{anchor}-start", level)
        if digest is not None:
            yield from sections(digest, anchor, level)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _beginning(job: ReportedJob) -> Markup:
    # Nothing but this style and this script: whatever got past the escaping would do nothing.
    policy = (
        f"default-src 'none'; style-src {_hashed(STYLE)}; script-src {_hashed(SCRIPT)}; base-uri 'none';"
        " form-action 'none'"
    )
    title = f"{kind(job)}: {job.facts['name']} ({job.facts['status']})"
    return joined(
        (
            Markup('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
            Markup('<meta name="referrer" content="no-referrer">\n'),
            element("title", title),
            Markup(f"\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"),
        )
    )


def _end(left_out: LeftOut) -> Markup:
    words = "Written by jobpods.controller.job_report."
    if str(left_out):
        words += f" For its size, this page leaves out {left_out}."
    return joined(
        (
            Markup("\n</main>\n"),
            element("footer", words),
            Markup(f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"),
        )
    )
