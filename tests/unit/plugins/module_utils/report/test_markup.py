# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing becomes HTML that was not made as such."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.module_utils.report.markup import (
    Markup,
    element,
    escaped,
    joined,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.report.reading import (
    HOSTILE,
    Read,
)


def test_text_and_attributes_are_escaped() -> None:
    made = element("p", HOSTILE, element("b", "\x1b[31mx\x00"), class_=HOSTILE, aria_label="a", hidden=True)
    read = Read(made)
    assert read.tags == {"p": 1, "b": 1}
    assert read.attributes == [("class", HOSTILE), ("aria-label", "a"), ("hidden", None)]
    assert read.text == f"{HOSTILE}x"


def test_what_is_left_out_and_what_stays() -> None:
    assert element("p", open=False, id=None, x=0) == '<p x="0"></p>'
    assert escaped(Markup("<b>")) == "<b>"
    assert joined(("<", Markup("<b>"))) == "&lt;<b>"


def test_what_is_made_of_markup_is_text_again() -> None:
    """So a join or a format by hand can only escape too much."""
    assert escaped(Markup("<b>") + "x") == "&lt;b&gt;x"
