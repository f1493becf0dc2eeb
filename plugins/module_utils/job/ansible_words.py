# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-inventory says of an inventory that it can't read, as one sentence."""

from __future__ import annotations

import re

WORDS_LIMIT = 600
"""Characters of a sentence; the whole is kept beside it."""

# ansible-core before 2.19, wrapped to lines: [WARNING]:  * Failed to parse FILE with PLUGIN plugin: WORDS
# Since then: [WARNING]: Failed to parse inventory with 'PLUGIN' plugin: WORDS, and more of it in other lines.
_PLUGIN = re.compile(
    r"\[WARNING\]:\s+(?:\* )?Failed to parse .*? with '?(?P<plugin>[\w.]+)'? plugin: (?P<words>.*)"
)
_ERROR = re.compile(r"(?:ERROR! |\[ERROR\]: )(?P<words>.*)")
_PLACE = re.compile(r"Origin: (?P<place>/\S+:\d+:\d+)$", re.MULTILINE)
_EXCERPT = re.compile(r"\s*(?:but may be elsewhere in the file|The offending line appears to be).*")
"""Of the inventory's text, which may hold secrets."""
_NOISE = re.compile(r".*these are the errors we got from each: JSON: .*?Syntax Error while loading YAML\.\s*")
_SOURCE = re.compile(r"Completely failed to parse inventory source (?P<path>.*?)(?:\s|$)")
_YAML = (".yml", ".yaml", ".json")
_NOT_THEIRS = "Plugin configuration YAML file, not YAML inventory"


def sentence(output: str) -> str:
    """The reasons in the output of ansible-inventory; "" where it gives none.

    Each plugin that has tried says one, and is named where they differ. What those say that tried what is not
    theirs is left out where others know more.
    """
    blocks = [" ".join(block.split()) for block in _blocks(output)]
    reasons: dict[str, str] = {}
    for block in blocks:
        if match := _PLUGIN.match(block):
            words = _EXCERPT.sub("", _NOISE.sub("", match["words"])).strip(" .,")
            reasons.setdefault(words, match["plugin"].rpartition(".")[2])
    source = _SOURCE.search(output)
    yaml = source is not None and source["path"].endswith(_YAML)
    known = [
        words for words, name in reasons.items() if words != _NOT_THEIRS and not (yaml and name == "ini")
    ]
    told = known or list(reasons)
    if len(told) > 1:
        told = [f"{reasons[words]}: {words}" for words in told]
    if not told:
        told = [match["words"].strip(" .") for block in blocks if (match := _ERROR.match(block))]
    place = _PLACE.search(output)
    words = "; ".join(told) + (f" ({place['place']})" if place and told else "")
    return words if len(words) <= WORDS_LIMIT else f"{words[:WORDS_LIMIT]} ..."


def _blocks(output: str) -> list[str]:
    """Messages with the lines that they were wrapped to; each ends at the next one, or at an empty line."""
    blocks: list[str] = []
    inside = False
    for line in output.splitlines():
        if line.startswith(("[", "ERROR!")):
            blocks.append(line)
            inside = True
        elif not line.strip() or line[0].isspace():  # an excerpt, or a traceback
            inside = False
        elif inside:
            blocks[-1] += f" {line}"
    return blocks
