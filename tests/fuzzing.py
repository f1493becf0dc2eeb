# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How our parsers are fuzzed: the same inputs in each run, and nothing of them is kept."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(__file__).parents[1] / ".local/cache/hypothesis")


def fuzz(examples: int) -> settings:
    """Settings of a test that gets so many inputs."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    """The content, cut at these places (modulo its length)."""
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:end] for start, end in zip(places, places[1:], strict=False)]


CUTS = st.lists(st.integers(0, 1 << 16), max_size=8)
"""Where a stream may be cut."""


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content, perhaps with some bytes of it changed, lost, or doubled."""
    changed = bytearray(content)
    for _time in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(changed)))
        length = draw(st.integers(0, 40))
        what = draw(st.sampled_from(("change", "lose", "double")))
        part = bytes(changed[place : place + length])
        new = {"change": draw(st.binary(max_size=8)), "lose": b"", "double": part + part}[what]
        changed[place : place + length] = new
    return bytes(changed)
