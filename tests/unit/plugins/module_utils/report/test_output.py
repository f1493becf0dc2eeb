# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of an output."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.module_utils.report.output import (
    LINE_LIMIT,
    KeptOutput,
)


def test_all_of_it_in_parts() -> None:
    output = KeptOutput(1 << 20)
    for number in range(1, 1202):
        output.add(f"line {number}\n")
    output.add("")
    assert [(part.first, part.last) for part in output.head] == [(1, 1000), (1001, 1201)]
    assert (output.lines, output.left_out, output.tail) == (1201, 0, [])
    assert output.head[1].lines[0] == b"line 1001"


def test_beginning_and_end() -> None:
    output = KeptOutput(60)
    for number in range(100):
        output.add(f"line {number:04}")
    ((head,), (tail,)) = output.head, output.tail
    assert (head.first, head.last, tail.first, tail.last) == (1, 3, 98, 100)
    assert (tail.lines[-1], output.left_out, output.size) == (b"line 0099", 94, 60)


def test_nothing_of_it() -> None:
    output = KeptOutput(0)
    output.add("a\nb")
    assert (output.head, output.tail, output.left_out) == ([], [], 2)


def test_what_is_kept_is_measured_as_html() -> None:
    output = KeptOutput(100)
    output.add("<" * 20)
    output.add("é" * 20)
    assert output.size == 41
    assert output.left_out == 1


def test_long_lines_are_cut_and_say_so() -> None:
    output = KeptOutput(1 << 20)
    output.add("a" * (LINE_LIMIT + 7) + "\nb")
    output.add("\x1b]" + "0" * (2 * LINE_LIMIT))
    lines = output.head[0].lines
    assert lines[0] == b"a" * LINE_LIMIT + "… [7 more characters]".encode()
    assert lines[1:] == [b"b", f"… [{LINE_LIMIT + 2} more characters]".encode()]
