# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Ansible looks for roles and collections, beside those that the project requires."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.required_paths import required_paths

ROLES = "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"
COLLECTIONS = "~/.ansible/collections:/usr/share/ansible/collections"


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        pytest.param(None, "[defaults]\nroles_path = x\n", {}, id="none"),
        pytest.param("roles", None, {"ANSIBLE_ROLES_PATH": ROLES}, id="roles"),
        pytest.param("collections", None, {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS}, id="collections"),
        pytest.param("roles", "no settings", {"ANSIBLE_ROLES_PATH": ROLES}, id="unreadable"),
        pytest.param("roles", "[defaults]\nforks=1\n", {"ANSIBLE_ROLES_PATH": ROLES}, id="other-settings"),
        pytest.param(
            "roles",
            "[defaults]\nroles_path = ./a:~/b:/c:$D/e:{{CWD}}/f\n",
            {"ANSIBLE_ROLES_PATH": "../project/./a:~/b:/c:$D/e:{{CWD}}/f"},
            id="settings",
        ),
        pytest.param(
            "collections",
            "[defaults]\ncollections_paths = old\ncollections_path = new\n",
            {"ANSIBLE_COLLECTIONS_PATH": "../project/new"},
            id="newer-name",
        ),
    ],
)
def test_paths_of_requirements(
    tmp_path: Path, content: str | None, settings: str | None, expected: dict[str, str]
) -> None:
    if content is not None:
        (tmp_path / ".jobpods" / content).mkdir(parents=True)
    if settings is not None:
        (tmp_path / "ansible.cfg").write_text(settings)
    first = {name: f"../project/.jobpods/{content}:{paths}" for name, paths in expected.items()}
    assert required_paths(tmp_path) == first
