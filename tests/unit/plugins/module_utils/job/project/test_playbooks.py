# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a playbook and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.playbooks import find_playbooks


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("- hosts: all\n", True, id="play"),
        pytest.param("---\n# c\n- name: x\n  hosts: all\n", True, id="named-play"),
        pytest.param("- import_playbook: x.yml\n", True, id="import"),
        pytest.param("- ansible.builtin.import_playbook: x.yml\n", True, id="import-by-its-full-name"),
        pytest.param("- include: x.yml\n", True, id="include"),
        pytest.param('[{"hosts": "all"}]', False, id="json-in-one-line"),
        pytest.param('[\n {"name": "x",\n  "hosts": "all"}]', True, id="json"),
        pytest.param("$ANSIBLE_VAULT;1.1;AES256\n1234\n", True, id="encrypted"),
        pytest.param("- name: x\n  ansible.builtin.debug:\n", False, id="tasks"),
        pytest.param("hostsfile: x\n", False, id="variables"),
        pytest.param("", False, id="empty"),
    ],
)
def test_what_could_be_a_playbook(tmp_path: Path, content: str, expected: bool) -> None:
    (tmp_path / "site.yml").write_text(content)
    assert list(find_playbooks(tmp_path)) == (["site.yml"] if expected else [])


def test_where_playbooks_are_looked_for(tmp_path: Path) -> None:
    names = [
        *("site.yml", "b.yaml", "plays/web/x.yml"),
        *("notes.txt", ".hidden.yml", ".git/x.yml", "roles/r/x.yml"),
        *("collections/x.yml", "plays/tasks/x.yml", "group_vars/x.yml"),
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("- hosts: all\n")
    (tmp_path / "broken.yml").symlink_to("nowhere")
    assert list(find_playbooks(tmp_path)) == ["b.yaml", "site.yml", "plays/web/x.yml"]
