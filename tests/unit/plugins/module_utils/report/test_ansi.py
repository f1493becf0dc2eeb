# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of a terminal as classes of HTML."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.report.ansi import (
    coloured_lines,
)


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        pytest.param("", [""], id="nothing"),
        pytest.param("a\n\nb\n", ["a", "", "b", ""], id="lines"),
        pytest.param(
            "\x1b[0;32mok: [a]\x1b[0m", ['<span class="f2">ok: [a]</span>'], id="as Ansible does it"
        ),
        pytest.param(
            "\x1b[1;31mx\x1b[22my", ['<span class="b f1">x</span><span class="f1">y</span>'], id="bold"
        ),
        pytest.param("\x1b[31m\x1b[32m\x1b[31mx", ['<span class="f1">x</span>'], id="the last one counts"),
        pytest.param(
            "\x1b[31ma\nb\x1b[39mc",
            ['<span class="f1">a</span>', '<span class="f1">b</span>c'],
            id="two lines",
        ),
        pytest.param("\x1b[m\x1b[;;mx", ["x"], id="no number is 0"),
        pytest.param("\x1b[93;104mx", ['<span class="f11 g12">x</span>'], id="bright"),
        pytest.param("\x1b[7mx\x1b[27my", ['<span class="n">x</span>y'], id="inverse"),
        pytest.param("\x1b[7;31mx", ['<span class="n g1">x</span>'], id="inverse colour"),
        pytest.param("\x1b[2;3;4;9mx\x1b[22;23;24;29my", ['<span class="d i u s">x</span>y'], id="switches"),
        pytest.param("\x1b[38;5;9mx", ['<span class="f9">x</span>'], id="of 256, one of the 16"),
        pytest.param("\x1b[38;5;196mx", ['<span class="f9">x</span>'], id="of 256, red"),
        pytest.param("\x1b[48;5;18mx", ['<span class="g4">x</span>'], id="of 256, dark blue"),
        pytest.param(
            "\x1b[38;5;232mx\x1b[38;5;255my",
            ['<span class="f0">x</span><span class="f15">y</span>'],
            id="greys",
        ),
        pytest.param("\x1b[38;2;0;255;0mx", ['<span class="f10">x</span>'], id="true colour"),
        pytest.param("\x1b[38:2:0:255:0mx", ['<span class="f10">x</span>'], id="with colons"),
        pytest.param("\x1b[38;5mx\x1b[38;7my", ['<span class="f0">x</span>y'], id="half a colour"),
        pytest.param("\x1b[38;5;99999999mx", ['<span class="f15">x</span>'], id="no colour"),
        pytest.param("\x1b[55;150;8mx", ["x"], id="what is not known"),
        pytest.param("\x1b[2Ja\x1b]0;title\x07b\rc", ["abc"], id="other sequences"),
        pytest.param(f"\x1b[{'1;' * 40}mx", ["x"], id="too long"),
        pytest.param("\x1b[\u0663mx", ["\u0663mx"], id="other digits"),
        pytest.param('<b>&amp;"', ['&lt;b&gt;&amp;amp;"'], id="HTML is text"),
        pytest.param("<\x1b[31mb>", ['&lt;<span class="f1">b&gt;</span>'], id="an element in pieces"),
    ],
)
def test_lines(printed: str, lines: list[str]) -> None:
    assert coloured_lines(printed) == lines
