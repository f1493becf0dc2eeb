# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept results, as the pages read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks.measure import Spread, percentile

Kept = dict[str, Any]
"""A sample as it was kept."""
Value = Callable[[Kept], float | None]


class Results:
    """What all sections have left in their folder.

    Attributes:
        sections: by name; one that was never run is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.sections: dict[str, Kept] = {
            path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
        }

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """A fact of a section."""
        return self.sections.get(section, {}).get(key, default)

    def samples(self, section: str) -> Mapping[str, list[Kept]]:
        """A section's samples by contender."""
        found: Mapping[str, list[Kept]] = self.get(section, "samples", {})
        return found

    def values(self, section: str, contender: str, value: Value) -> list[float]:
        """One figure of all of a contender's samples that ended as they should."""
        samples = self.samples(section).get(contender, [])
        return [found for sample in samples if sample["ok"] and (found := value(sample)) is not None]

    def spread(self, section: str, contender: str, value: Value) -> Spread | None:
        """The median of one figure, with its spread; None where there is none."""
        values = self.values(section, contender, value)
        return Spread.of(values) if values else None

    def median(self, section: str, contender: str, value: Value) -> float | None:
        """The median alone."""
        spread = self.spread(section, contender, value)
        return None if spread is None else spread.median

    def percentile(self, section: str, contender: str, value: Value, share: float) -> float | None:
        """A high percentile."""
        values = self.values(section, contender, value)
        return percentile(values, share) if values else None

    def ratio(self, section: str, contender: str, other: str, value: Value) -> float | None:
        """The ratio of two contenders' medians."""
        return quotient(self.median(section, contender, value), self.median(section, other, value))


def final(sample: Kept) -> float | None:
    """Seconds to the final state."""
    return float(sample["final"])


def first(sample: Kept) -> float | None:
    """Seconds to the first output."""
    return None if sample["first"] is None else float(sample["first"])


def cpu(sample: Kept) -> float | None:
    """Seconds of CPU on the controller."""
    return float(sample["cpu"])


def memory(sample: Kept) -> float | None:
    """MB of the largest process."""
    return float(sample["memory"])


def more(name: str) -> Value:
    """A further figure."""
    return lambda sample: sample["more"].get(name)


def mark(name: str) -> Value:
    """When something happened."""
    return lambda sample: sample["marks"].get(name)


def grown(results: Results, section: str, value: Value) -> list[tuple[float, float]]:
    """The medians of one figure by size."""
    sizes: Sequence[int] = results.get(section, "sizes", [])
    return [
        (float(size), found)
        for size in sizes
        if (found := results.median(section, str(size), value)) is not None
    ]


def quotient(above: float | None, below: float | None) -> float | None:
    """A ratio, where both numbers are there."""
    return above / below if above is not None and below else None


def difference(left: float | None, right: float | None) -> float | None:
    """A difference, where both numbers are there."""
    return left - right if left is not None and right is not None else None


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number for people; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def shown(spread: Spread | None, digits: int = 2) -> str:
    """A median with its spread."""
    if spread is None:
        return "-"
    if spread.count == 1:
        return number(spread.median, digits)
    return (
        f"{number(spread.median, digits)} ({number(spread.least, digits)} to {number(spread.most, digits)})"
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)
