# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials given with a launch, as AWX's credential types of the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    TYPES,
    read_inputs,
    type_called,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry, registry_key

TYPES_OF_LAUNCH = ("machine", "vault")


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

    @property
    def secrets(self) -> list[str]:
        """All passwords and keys in them."""
        machine = self.machine
        of_machine = (machine.password, machine.become_password, machine.ssh_key_unlock, machine.ssh_key_data)
        return [*filter(None, of_machine), *(vault.vault_password for vault in self.vaults)]


def read_credentials(given: Sequence[Mapping[str, Any]], option: str = "") -> Credentials:
    """Reads the option `credentials`.

    As in AWX, there is at most one machine credential, and one vault credential for each vault id.

    Args:
        given: mappings of `credential_type` and `inputs`.
        option: the name of the option that has the only one, where that is no list.

    Raises:
        Failure: `InvalidConfiguration`; it names the entry and the input, and shows no value of one.
    """
    machine: MachineCredential | None = None
    vaults: dict[str, VaultCredential] = {}
    for index, entry in enumerate(given):
        where = option or f"credentials[{index}]"
        kind = type_called(entry.get("credential_type"))
        if kind is None or kind.name not in TYPES_OF_LAUNCH:
            raise _invalid(
                f"{where}.credential_type is {entry.get('credential_type')!r};"
                f" a launch takes {' and '.join(TYPES_OF_LAUNCH)}."
            )
        inputs = read_inputs(kind, entry.get("inputs") or {}, f"{where}.inputs")
        if kind.name == "machine":
            if machine is not None:
                raise _invalid(f"{where} is a second machine credential; a job takes one.")
            machine = MachineCredential(**inputs)
        else:
            vault = VaultCredential(**inputs)
            if vault.vault_id in vaults:
                what = f"vault_id {vault.vault_id!r}" if vault.vault_id else "no vault_id"
                raise _invalid(
                    f"{where} is a second vault credential with {what}; give each its own vault_id."
                )
            vaults[vault.vault_id] = vault
    return Credentials(machine or MachineCredential(), tuple(vaults.values()))


def read_registry(given: Mapping[str, Any], where: str) -> Registry:
    """Reads the inputs of the `container_registry` credential of an execution environment.

    Args:
        given: the inputs.
        where: what the user calls the credential, for messages.

    Raises:
        Failure: `InvalidConfiguration`; it names the input, and shows no password.
    """
    inputs = read_inputs(TYPES["container_registry"], given, where)
    for name in ("username", "password"):
        if name not in inputs:
            raise _invalid(
                f"{where} has no {name}; the image pull secret that is made of it needs host, username and"
                " password (or token)."
            )
    host = registry_key(inputs["host"])
    if not host:
        raise _invalid(
            f"{where}: host is no registry's; give its name, with its port if it has one, for example quay.io"
            " or registry.example.com:5000."
        )
    return Registry(host, inputs["username"], inputs["password"])


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
