# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page can be read in both schemes: its colours differ enough, and each class has a rule."""

from __future__ import annotations

import re

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.report.ansi import _CLASSES
from ansible_collections.jobpods.controller.plugins.module_utils.report.style import SCRIPT, STYLE

ENOUGH = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3, level AA)."""
LIGHT, DARK = (dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in STYLE.split("@media screen")[:2])
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    """Relative luminance of a colour like `#1f2328`."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_is_what_it_should_be() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert LIGHT.keys() == DARK.keys()


@SCHEMES
def test_text_can_be_read(scheme: dict[str, str]) -> None:
    words = ["text", "faint", "link", "good", "changed", "bad", "worse", "still", "going"]
    words += [f"c{number}" for number in range(16)]
    poor = [
        (name, ground, round(found, 2))
        for name in words
        for ground in ("page", "raised")
        if (found := contrast(scheme[name], scheme[ground])) < ENOUGH
    ]
    assert poor == []


@SCHEMES
def test_text_can_be_read_on_coloured_ground(scheme: dict[str, str]) -> None:
    grounds = [f"g{number}" for number in range(8)]
    assert [name for name in grounds if contrast(scheme["text"], scheme[name]) < ENOUGH] == []


def test_each_class_of_the_output_has_a_rule() -> None:
    names = [*_CLASSES.values(), *(f"{kind}{number}" for kind in "fg" for number in range(16))]
    assert [name for name in names if f".{name} {{" not in STYLE] == []


def test_style_and_script_end_where_they_should() -> None:
    assert "</" not in STYLE + SCRIPT
    assert STYLE.count("{") == STYLE.count("}")
