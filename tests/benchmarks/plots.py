# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of the pages, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks.measure import Spread, slope

OURS, OTHERS = "#1f6fb4", "#9a9a9a"


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "jobpods", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    _pyplot().close(figure)


def bars(path: Path, panels: Mapping[str, Mapping[str, Spread]], ours: Sequence[str], unit: str) -> None:
    """A panel for each workload, with a bar for each contender: its median, and its spread as a line."""
    pyplot = _pyplot()
    columns = 2
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(9, 1.0 + 2.0 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (title, contenders) in zip(axes.flat, panels.items(), strict=False):
        names = list(contenders)[::-1]
        spreads = [contenders[name] for name in names]
        middles = [spread.median for spread in spreads]
        around = [
            [spread.median - spread.least for spread in spreads],
            [spread.most - spread.median for spread in spreads],
        ]
        colors = [OURS if name.startswith(tuple(ours)) else OTHERS for name in names]
        axis.barh(names, middles, xerr=around, color=colors, error_kw={"linewidth": 1}, height=0.7)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(unit)
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def growth(path: Path, panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> None:
    """A panel for each thing that grows, both axes logarithmic, with the fitted exponents in the legend."""
    pyplot = _pyplot()
    rows = -(-len(panels) // 2)
    figure, axes = pyplot.subplots(rows, 2, figsize=(9, 3.0 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=False):
        for name, points in lines.items():
            if not points:
                continue
            label = f"{name} (slope {slope(points):.2f})"
            axis.loglog(
                [x for x, _y in points], [y for _x, y in points], marker="o", markersize=3, label=label
            )
        axis.set_xlabel(title)
        axis.legend(fontsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)
