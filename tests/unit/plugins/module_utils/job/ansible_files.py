# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories on disk, and how ansible-inventory is called for them: with nothing of the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.jobpods.controller.plugins.module_utils import failures

COLLECTIONS_PATH = Path(failures.__file__).parents[5]


def write(path: Path, content: Any, mode: int = 0o644) -> Path:
    """Writes a text, or a value as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    path.chmod(mode)
    return path


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Environment variables with no configuration of Ansible but this collection."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS_PATH),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
        **variables,
    }


def vaulted(text: str, password: str = "sesame", vault_id: str | None = None) -> str:  # noqa: S107
    """A text as ansible-vault encrypts it."""
    secret = VaultSecret(password.encode())
    encrypted: bytes = VaultLib([(vault_id or "default", secret)]).encrypt(text, secret, vault_id)
    return encrypted.decode("ascii")


def tagged(text: str) -> str:
    """A vaulted text as a value in YAML."""
    return "!vault |\n" + "".join(f"          {line}\n" for line in text.splitlines())


def unmarked(value: Any) -> Any:
    """A value of a listing without marks; since ansible-core 2.19, each text of a plugin has one."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: unmarked(inner) for key, inner in value.items()}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value
