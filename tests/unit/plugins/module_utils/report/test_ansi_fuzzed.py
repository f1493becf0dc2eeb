# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a pod prints is text in the page, the same text as in a terminal, and nothing else."""

from __future__ import annotations

import re

from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.report.ansi import (
    coloured_lines,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.output import KeptOutput
from ansible_collections.jobpods.controller.tests.fuzzing import fuzz
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.report.reading import (
    HOSTILE,
    Read,
)
from hypothesis import given
from hypothesis import strategies as st

CLASSES = re.compile(r"(([bdiusn]|[fg](1[0-5]|\d))( |$))+")
SEQUENCES = st.lists(st.integers(0, 300) | st.sampled_from((38, 48, 5, 2)), max_size=8).map(
    lambda codes: f"\x1b[{';'.join(map(str, codes))}m"
)
PIECES = st.lists(
    SEQUENCES
    | st.text(alphabet="\x1b[];:m0123?P\\\x07\x9b\n\r\t<>&\"'/ab=", max_size=12)
    | st.sampled_from((HOSTILE, "&lt;", "\x1b]0;", "\x1b[3", "<span class='f1'>", "-->", "]]>"))
    | st.text(max_size=8),
    max_size=12,
)
PRINTED = PIECES.map("".join)


@fuzz(1000)
@given(printed=PRINTED)
def test_lines_have_the_text_and_classes_only(printed: str) -> None:
    lines = coloured_lines(printed)
    read = [Read(line) for line in lines]  # each by itself: none leaves an element open
    assert "\n".join(each.text for each in read) == plain_text(printed)
    for each in read:
        assert set(each.tags) <= {"span"}
        for name, value in each.attributes:
            assert name == "class"
            assert value is not None and CLASSES.fullmatch(value)


@fuzz(200)
@given(printed=st.lists(PRINTED, max_size=12), limit=st.integers(0, 400))
def test_what_is_kept_is_bounded_and_counted(printed: list[str], limit: int) -> None:
    kept, whole = KeptOutput(limit), KeptOutput(1 << 20)
    for each in printed:
        kept.add(each)
        whole.add(each)
    everything = [line for part in whole.head for line in part.lines]
    assert (len(everything), whole.left_out, whole.tail) == (whole.lines, 0, [])
    assert (kept.lines, kept.size <= limit) == (whole.lines, True)
    shown = [*kept.head, *kept.tail]
    assert sum(len(part.lines) for part in shown) + kept.left_out == kept.lines
    for part in shown:
        assert everything[part.first - 1 : part.last] == part.lines
