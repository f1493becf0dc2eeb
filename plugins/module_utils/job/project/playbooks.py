# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the playbooks of a project, by AWX's rule: what could be one, where one is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

NO_PLAYBOOKS_IN = frozenset(
    (
        *("roles", "tasks", "handlers", "vars", "defaults", "meta", "files", "templates", "library"),
        *("group_vars", "host_vars", "collections", "ansible_collections"),
    )
)
FIRST_BYTES = 1 << 20
_PLAY = re.compile(
    rb"^\s*-?\s*['\"]?(?:hosts|include|(?:ansible\.builtin\.)?import_playbook)['\"]?\s*:", re.MULTILINE
)


def find_playbooks(folder: Path) -> Iterator[str]:
    """The paths of a project's playbooks within it, in order."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in NO_PLAYBOOKS_IN and each[0] != ".")
        for name in sorted(files):
            whole = Path(path, name)
            if name.endswith((".yml", ".yaml")) and name[0] != "." and _is_playbook(whole):
                yield str(whole.relative_to(folder))


def _is_playbook(path: Path) -> bool:
    """Whether a file has a play in it; one whose whole content is encrypted may have."""
    try:
        with path.open("rb") as file:
            content = file.read(FIRST_BYTES)
    except OSError:
        return False
    return content.startswith(b"$ANSIBLE_VAULT;") or _PLAY.search(content) is not None
