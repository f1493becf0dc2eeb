# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials given with a launch, as AWX's credential types of the same names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

TYPES = {"machine": "machine", "Machine": "machine", "vault": "vault", "Vault": "vault"}
"""Our names and AWX's of the types that a launch takes inline."""
INPUTS = {
    "machine": (
        "username",
        "password",
        "ssh_key_data",
        "ssh_key_unlock",
        "become_method",
        "become_username",
        "become_password",
    ),
    "vault": ("vault_password", "vault_id"),
}
_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*)PRIVATE KEY-----(?P<lines>.+)-----END (?P=kind)PRIVATE KEY-----",
    re.DOTALL,
)


@dataclass(frozen=True)
class MachineCredential:
    """How playbooks log in to hosts; empty where not given."""

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key_data: str = field(default="", repr=False)
    ssh_key_unlock: str = field(default="", repr=False)
    become_method: str = ""
    become_username: str = ""
    become_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class VaultCredential:
    """A password of Ansible Vault, for one vault id or (empty) for those without one."""

    vault_password: str = field(repr=False)
    vault_id: str = ""


@dataclass(frozen=True)
class Credentials:
    """All credentials of a launch."""

    machine: MachineCredential = MachineCredential()
    vaults: tuple[VaultCredential, ...] = ()


def read_credentials(given: Sequence[Mapping[str, Any]]) -> Credentials:
    """Reads the option `credentials`.

    As in AWX, there is at most one machine credential, and one vault credential for each vault id.

    Args:
        given: mappings of `credential_type` and `inputs`.

    Raises:
        Failure: `InvalidConfiguration`; it names the entry and the input, and shows no value of one.
    """
    machine: MachineCredential | None = None
    vaults: dict[str, VaultCredential] = {}
    for index, entry in enumerate(given):
        where = f"credentials[{index}]"
        kind = TYPES.get(str(entry.get("credential_type")))
        if kind is None:
            raise _invalid(
                f"{where}.credential_type is {entry.get('credential_type')!r};"
                " a launch takes machine and vault."
            )
        inputs = _inputs(kind, entry.get("inputs") or {}, where)
        if kind == "machine":
            if machine is not None:
                raise _invalid(f"{where} is a second machine credential; a job takes one.")
            machine = _machine(inputs, where)
        else:
            vault = _vault(inputs, where)
            if vault.vault_id in vaults:
                what = f"vault_id {vault.vault_id!r}" if vault.vault_id else "no vault_id"
                raise _invalid(
                    f"{where} is a second vault credential with {what}; give each its own vault_id."
                )
            vaults[vault.vault_id] = vault
    return Credentials(machine or MachineCredential(), tuple(vaults.values()))


def _inputs(kind: str, inputs: Mapping[str, Any], where: str) -> dict[str, str]:
    known = INPUTS[kind]
    read: dict[str, str] = {}
    for name, value in inputs.items():
        if name not in known:
            raise _invalid(
                f"{where}.inputs has {name!r}, which type {kind} does not; it has {', '.join(known)}."
            )
        if value is None:
            continue
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise _invalid(f"{where}.inputs.{name} must be text, but it is a {type(value).__name__}.")
        text = str(value)
        if name != "ssh_key_data" and ("\n" in text or "\r" in text):
            raise _invalid(f"{where}.inputs.{name} must be one line.")
        if text:
            read[name] = text
    return read


def _machine(inputs: dict[str, str], where: str) -> MachineCredential:
    key = inputs.get("ssh_key_data", "")
    if key:
        key = inputs["ssh_key_data"] = key.replace("\r\n", "\n").strip() + "\n"
        match = _KEY.match(key)
        if match is None:
            raise _invalid(
                f"{where}.inputs.ssh_key_data is not a private key: it must begin with"
                " -----BEGIN ... PRIVATE KEY----- and end with -----END ... PRIVATE KEY-----."
            )
        if not match["lines"].startswith("\n"):
            raise _invalid(
                f"{where}.inputs.ssh_key_data is a private key whose line breaks are lost; in YAML, write it"
                " as a block with |."
            )
        locked = "ENCRYPTED" in match["kind"] or "Proc-Type: 4,ENCRYPTED" in key or _locked_openssh(key)
        if locked and not inputs.get("ssh_key_unlock"):
            raise _invalid(
                f"{where}.inputs.ssh_key_data is locked with a passphrase; give it as ssh_key_unlock."
            )
    elif inputs.get("ssh_key_unlock"):
        raise _invalid(f"{where}.inputs.ssh_key_unlock is given without ssh_key_data.")
    return MachineCredential(**inputs)


def _locked_openssh(key: str) -> bool:
    """Whether an OpenSSH key has a cipher (OpenSSH: PROTOCOL.key: magic, then the cipher's name)."""
    import base64
    import binascii

    if "BEGIN OPENSSH" not in key:
        return False
    try:
        content = base64.b64decode("".join(key.splitlines()[1:-1]))
    except (binascii.Error, ValueError):
        return False
    return content.startswith(b"openssh-key-v1\0") and content[15:23] != b"\0\0\0\x04none"


def _vault(inputs: dict[str, str], where: str) -> VaultCredential:
    if "vault_password" not in inputs:
        raise _invalid(f"{where}.inputs.vault_password is missing.")
    vault_id = inputs.get("vault_id", "")
    if "@" in vault_id:
        raise _invalid(f"{where}.inputs.vault_id must be a name without @, for example prod.")
    return VaultCredential(**inputs)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
