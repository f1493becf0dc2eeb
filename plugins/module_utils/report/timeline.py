# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bars of time: each a row of a table, so that it reads without the picture, and its bar as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.jobpods.controller.plugins.module_utils.report.markup import (
    Markup,
    element,
    joined,
)

WIDTH = 1000
"""Of a bar's picture, in its own units; it is stretched to the room that there is."""
NARROWEST = 4
"""Units of a bar that can still be seen."""


@dataclass(frozen=True)
class Span:
    """A piece of time in a row, with how it went as the class of its bar; moments in seconds."""

    start: float
    end: float
    status: str


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        label: what it is about.
        spans: its bar's pieces.
        took: what to say of its time.
        heading: what to write over this row and those after it; empty where it belongs to those before.
    """

    label: Markup
    spans: Sequence[Span]
    took: str
    heading: str = ""


def chart(name: str, rows: Sequence[Row]) -> Markup:
    """A table with a bar in each row, all to the same scale."""
    spans = [span for row in rows for span in row.spans]
    begin = min((span.start for span in spans), default=0.0)
    end = max((span.end for span in spans), default=0.0)
    scale = WIDTH / ((end - begin) or 1.0)
    return element(
        "table",
        element("caption", name, class_="unseen"),
        element("tbody", *_rows(rows, begin, scale)),
        class_="chart",
    )


def _rows(rows: Sequence[Row], begin: float, scale: float) -> Iterator[Markup]:
    for row in rows:
        if row.heading:
            yield element("tr", element("th", row.heading, colspan=3, scope="rowgroup"), class_="heading")
        yield element(
            "tr",
            element("th", row.label, scope="row"),
            element("td", _bar(row.spans, begin, scale), class_="time"),
            element("td", row.took, class_="number"),
        )


def _bar(spans: Sequence[Span], begin: float, scale: float) -> Markup:
    return element(
        "svg",
        joined(_piece(span, begin, scale) for span in spans),
        viewBox=f"0 0 {WIDTH} 10",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _piece(span: Span, begin: float, scale: float) -> Markup:
    width = max(NARROWEST, round((span.end - span.start) * scale))
    start = min(max(0, round((span.start - begin) * scale)), WIDTH - NARROWEST)
    return element("rect", x=start, y=0, width=min(width, WIDTH - start), height=10, class_=span.status)


def duration(seconds: float) -> str:
    """A duration in words."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"
