# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output of a pod made safe to show: nothing that a terminal would obey is left in it."""

from __future__ import annotations

import re

from ansible_collections.jobpods.controller.plugins.module_utils.failures import shortened

NAME_LIMIT = 512
"""Characters of a job's name."""
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"  # control sequences: colours, cursor (ECMA-48, 5.4)
    r"|\x1b[PX\]^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # strings: window titles, links, device control (5.6)
    r"|\x1b[ -/]*[0-~]?"  # all other escapes
    r"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]"  # control characters but tab and line feed, 8-bit ones too
)


def plain_text(text: str) -> str:
    """`text` without escape sequences and control characters; tabs and line feeds stay."""
    return _SEQUENCES.sub("", text)


def one_line(text: str, limit: int) -> str:
    """The same on one line, and at most `limit` characters of it."""
    return shortened(" ".join(plain_text(text).split()), limit)
