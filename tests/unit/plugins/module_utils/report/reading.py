# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads HTML as a browser would, for what is in it; and events as ansible-runner writes them."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from typing import Any

VOID = ("meta",)
HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><a href='javascript:alert(3)'>"
)
"""Text that would do something if it were taken for HTML anywhere."""


class Read(HTMLParser):
    """A piece of HTML, read.

    Attributes:
        tags: how many elements there are of each name.
        attributes: names and values of all attributes.
        text: what can be read, without style and script.
        code: what is in style and script elements.
    """

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.code: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == [], "elements without an end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> ends another element"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.code.append(data)
        else:
            self.text += data

    def values(self, name: str) -> list[str | None]:
        """The values of all attributes of a name."""
        return [value for key, value in self.attributes if key == name]


def event(kind: str, stdout: str = "", created: str = "", **facts: Any) -> dict[str, Any]:
    """An event."""
    return {"event": kind, "stdout": stdout, "created": created, "event_data": facts}


def at(second: float) -> str:
    """A moment of the play, as events tell it."""
    return f"2026-01-01T00:{int(second) // 60:02}:{second % 60:09.6f}+00:00"


def task(name: str, begin: float, **hosts: float) -> list[dict[str, Any]]:
    """The events of a task on hosts, each with the second in which it ends there."""
    known = {"task": name, "task_uuid": name, "play": "Site", "play_uuid": "p"}
    known["task_path"] = "/runner/project/site.yml:7"
    events = [event("playbook_on_task_start", f"\r\nTASK [{name}] ***", at(begin), **known)]
    events += [event("runner_on_start", created=at(begin), host=host, **known) for host in hosts]
    for host, end in hosts.items():
        times = {"start": at(begin), "end": at(end), "duration": end - begin}
        events.append(
            event("runner_on_ok", f"\x1b[0;32mok: [{host}]\x1b[0m", at(end), host=host, **times, **known)
        )
    return events
