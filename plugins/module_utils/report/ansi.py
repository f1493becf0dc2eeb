# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output with ANSI colours as lines of HTML: colours become classes, and every other sequence goes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text

_COLOURING = re.compile(r"\x1b\[([0-9;:]{0,64})m")
"""Select graphic rendition (ECMA-48, 8.3.117). All that is no such sequence is left to `plain_text`."""
_SWITCHES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("struck",)}
_CLASSES = {"bold": "b", "dim": "d", "italic": "i", "underline": "u", "struck": "s", "inverse": "n"}
_CUBE = (0, 95, 135, 175, 215, 255)
"""Shares of red, green and blue in the colours 16 to 231."""


@dataclass(frozen=True)
class _Look:
    """How text looks; colours are numbers from 0 to 15, None is the page's own."""

    colour: int | None = None
    ground: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    struck: bool = False

    def after(self, parameters: str) -> _Look:
        """What it is after a sequence with these parameters; those that it does not know change nothing."""
        look = self
        codes = iter([int(code or 0) for code in parameters.replace(":", ";").split(";")])
        for code in codes:
            if code == 0:
                look = _Look()
            elif code in _SWITCHES:
                look = replace(look, **{_SWITCHES[code]: True})
            elif code in _OFF:
                look = replace(look, **dict.fromkeys(_OFF[code], False))
            elif code in (38, 48):
                look = look._with("colour" if code == 38 else "ground", _extended(codes))
            else:
                look = look._coloured(code)
        return look

    def _coloured(self, code: int) -> _Look:
        tens, unit = divmod(code, 10)
        name = "colour" if tens in (3, 9) else "ground"
        if tens in (3, 4) and unit == 9:
            return self._with(name, None)
        if tens in (3, 4, 9, 10) and unit < 8:
            return self._with(name, unit + (8 if tens > 4 else 0))
        return self

    def _with(self, name: str, value: int | None) -> _Look:
        return replace(self, colour=value) if name == "colour" else replace(self, ground=value)

    @property
    def classes(self) -> str:
        """The classes of an element that looks so."""
        colour, ground = (self.ground, self.colour) if self.inverse else (self.colour, self.ground)
        found = [letter for name, letter in _CLASSES.items() if getattr(self, name)]
        found += [] if colour is None else [f"f{colour}"]
        found += [] if ground is None else [f"g{ground}"]
        return " ".join(found)


def coloured_lines(text: str) -> list[str]:
    """The lines of a text as HTML, each whole in itself.

    What can be read in them is the same as `plain_text` gives: nothing of the text becomes an element or an
    attribute.
    """
    lines: list[list[tuple[str, str]]] = [[]]
    look = _Look()
    classes = ""
    for number, piece in enumerate(_COLOURING.split(text)):
        if number % 2:
            look = look.after(piece)
            classes = look.classes
            continue
        first, *others = plain_text(piece).split("\n")
        if first:
            lines[-1].append((classes, first))
        lines.extend([(classes, other)] if other else [] for other in others)
    return ["".join(_spans(line)) for line in lines]


def _spans(line: list[tuple[str, str]]) -> Iterator[str]:
    before = ""
    for classes, text in line:
        if classes != before:
            yield ("</span>" if before else "") + (f'<span class="{classes}">' if classes else "")
            before = classes
        yield html.escape(text, quote=False)
    if before:
        yield "</span>"


def _extended(codes: Iterator[int]) -> int | None:
    """The nearest of sixteen colours to one of 256, or to shares of red, green and blue."""
    kind = next(codes, 0)
    if kind == 5:
        number = next(codes, 0)
        if number < 16:
            return number
        if number > 231:
            grey = min(8 + (number - 232) * 10, 255)
            return _nearest(grey, grey, grey)
        number -= 16
        return _nearest(_CUBE[number // 36], _CUBE[number // 6 % 6], _CUBE[number % 6])
    if kind == 2:
        return _nearest(next(codes, 0), next(codes, 0), next(codes, 0))
    return None


def _nearest(red: int, green: int, blue: int) -> int:
    most = max(red, green, blue)
    if most - min(red, green, blue) < 32:  # a grey
        return 0 if most < 64 else 8 if most < 160 else 7 if most < 224 else 15
    bits = sum(bit for bit, share in ((1, red), (2, green), (4, blue)) if share * 2 > most)
    return bits + (8 if most > 191 else 0)
