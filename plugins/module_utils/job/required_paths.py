# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run finds what an update has installed of its project's requirements (AWX: requirements_roles)."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = ".jobpods"
"""Of the project's top folder: where an update has put the roles and collections that it requires."""
PROJECT = "../project"
"""The project folder, from itself, where ansible-playbook runs, and from beside it: ansible-runner takes the
first roles path for one below its own folder of roles (ansible-runner: streaming.py, update_paths)."""


@dataclass(frozen=True)
class _Path:
    """Where Ansible looks for content of a kind.

    Attributes:
        content: `roles` or `collections`.
        variable: environment variable that says it.
        options: that say it in ansible.cfg; the first that is there counts.
        default: Ansible's own (AWX gives the same).
    """

    content: str
    variable: str
    options: tuple[str, ...]
    default: str


_PATHS = (
    _Path(
        "roles",
        "ANSIBLE_ROLES_PATH",
        ("roles_path",),
        "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
    ),
    _Path(
        "collections",
        "ANSIBLE_COLLECTIONS_PATH",
        ("collections_path", "collections_paths"),
        "~/.ansible/collections:/usr/share/ansible/collections",
    ),
)


def required_paths(project: Path) -> dict[str, str]:
    """Has Ansible look first where an update has put what the project requires, then where it would anyway.

    Args:
        project: the project's folder on the controller.

    Returns:
        Environment variables; none for a project without installed requirements.
    """
    return {
        path.variable: ":".join((f"{PROJECT}/{REQUIREMENTS}/{path.content}", *_other_paths(project, path)))
        for path in _PATHS
        if (project / REQUIREMENTS / path.content).is_dir()
    }


def _other_paths(project: Path, path: _Path) -> list[str]:
    """Where Ansible would look by the project's ansible.cfg, which environment variables outdo."""
    settings = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        settings.read(project / "ansible.cfg", encoding="utf-8")
    except (configparser.Error, ValueError):
        return [path.default]  # Ansible will tell what is wrong with it
    given = [settings.get("defaults", option, fallback="") for option in path.options]
    entries = next(filter(None, given), path.default).split(":")
    # A relative one is relative to the file.
    return [
        entry if entry[:1] in ("/", "~", "$", "{") else f"{PROJECT}/{entry}" for entry in entries if entry
    ]
