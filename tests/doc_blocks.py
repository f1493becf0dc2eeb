# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in guides and READMEs: where they are, and what a reader is to do with each.

- A block with a file's name (`:caption:`, or the comment `file:` in Markdown) is written into that file.
- A `console` block has commands, each after a `$`, and perhaps what they print.
- Another `yaml` block has tasks.

A comment `not run:` before a block says why the tests don't run it; they only parse it then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs/docsite/rst").glob("*.rst"))
READMES = [ROOT / "README.md", *sorted((ROOT / "roles").glob("*/README.md"))]

_RST_BLOCK = re.compile(r"\.\. code-block::(?: (\S+))?$")
_RST_OPTION = re.compile(r" +:(\w+): (.+)$")
_RST_COMMENT = re.compile(r"\.\. (not run): (.+)$")
_MARKDOWN_FENCE = re.compile(r"```(\S*)$")
_MARKDOWN_COMMENT = re.compile(r"<!-- (not run|file): (.+) -->$")


@dataclass(frozen=True)
class Command:
    """A command that a reader types.

    Attributes:
        line: as it is typed.
        output: what the document shows of its output, in pieces; between them something is left out.
    """

    line: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """An example.

    Attributes:
        path: the document.
        line: number of its first line there.
        language: what the document says of its language.
        text: its text.
        file: the file that it is to be written into, perhaps none.
        not_run: why it is not run; empty where it is.
    """

    path: Path
    line: int
    language: str
    text: str
    file: str = ""
    not_run: str = ""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """The commands of a `console` block."""
        found: list[tuple[str, list[str]]] = []
        continued = False
        for line in self.text.splitlines():
            if continued:
                found[-1] = (f"{found[-1][0]}\n{line}", found[-1][1])
            elif line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                assert found, f"{self.place}: output before the first command"
                found[-1][1].append(line)
            continued = line.endswith("\\")
        return [Command(line, _pieces(output)) for line, output in found]


def _pieces(output: list[str]) -> tuple[str, ...]:
    parts = re.split(r"^\.\.\.$", "\n".join(output), flags=re.MULTILINE)
    return tuple(part.strip() for part in parts if part.strip())


def blocks(path: Path) -> list[Block]:
    """The examples of a document, in their order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return list((_rst_blocks if path.suffix == ".rst" else _markdown_blocks)(path, lines))


def _rst_blocks(path: Path, lines: list[str]) -> Iterator[Block]:
    not_run = ""
    for number, line in enumerate(lines):
        comment, block = _RST_COMMENT.match(line), _RST_BLOCK.match(line)
        if comment:
            not_run = comment[2]
        elif block:
            start = number + 1
            options = {}
            while option := _RST_OPTION.match(lines[start]):
                options[option[1]] = option[2]
                start += 1
            end = next(
                (at for at in range(start, len(lines)) if lines[at] and not lines[at].startswith(" ")),
                len(lines),
            )
            text = dedent("\n".join(lines[start:end])).strip("\n") + "\n"
            yield Block(path, number + 1, block[1] or "", text, options.get("caption", ""), not_run)
        if line and not comment:
            not_run = ""


def _markdown_blocks(path: Path, lines: list[str]) -> Iterator[Block]:
    comments: dict[str, str] = {}
    begun: int | None = None
    for number, line in enumerate(lines):
        fence, comment = _MARKDOWN_FENCE.match(line), _MARKDOWN_COMMENT.match(line)
        if begun is None and comment:
            comments[comment[1]] = comment[2]
        elif begun is None and fence:
            begun = number
        elif begun is not None and fence:
            language = lines[begun].removeprefix("```")
            text = "\n".join(lines[begun + 1 : number]) + "\n"
            yield Block(
                path, begun + 1, language, text, comments.get("file", ""), comments.get("not run", "")
            )
            begun, comments = None, {}
        elif begun is None:
            comments = {}
    assert begun is None, f"{path}: a block without an end"
