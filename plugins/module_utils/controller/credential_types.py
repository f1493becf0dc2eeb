# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of credentials, with AWX's names and inputs (AWX: Credential Types)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.private_keys import (
    read_private_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of

TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Input:
    """One input of a credential type.

    Attributes:
        secret: it is never shown.
        required: a credential can't be without it.
        lines: it may have several lines.
        boolean: it is true or false, else a text.
    """

    secret: bool = False
    required: bool = False
    lines: bool = False
    boolean: bool = False


SECRET = Input(secret=True)
KEY = {"ssh_key_data": Input(secret=True, lines=True), "ssh_key_unlock": SECRET}


@dataclass(frozen=True)
class CredentialType:
    """One type.

    Attributes:
        name: ours.
        awx_name: what AWX calls it.
        inputs: what a credential of the type has.
    """

    name: str
    awx_name: str
    inputs: Mapping[str, Input]


TYPES = {
    kind.name: kind
    for kind in (
        CredentialType(
            "kubernetes_bearer_token",
            "OpenShift or Kubernetes API Bearer Token",
            {
                "host": Input(required=True),
                "bearer_token": Input(secret=True, required=True),
                "verify_ssl": Input(boolean=True),
                "ssl_ca_cert": Input(lines=True),
            },
        ),
        CredentialType(
            "machine",
            "Machine",
            {
                "username": Input(),
                "password": SECRET,
                **KEY,
                "become_method": Input(),
                "become_username": Input(),
                "become_password": SECRET,
            },
        ),
        CredentialType("vault", "Vault", {"vault_password": Input(True, True), "vault_id": Input()}),
        CredentialType("source_control", "Source Control", {"username": Input(), "password": SECRET, **KEY}),
        CredentialType(
            "container_registry",
            "Container Registry",
            {
                "host": Input(required=True),
                "username": Input(),
                "password": SECRET,
                "verify_ssl": Input(boolean=True),
            },
        ),
    )
}
_BY_ANY_NAME = {name: kind for kind in TYPES.values() for name in (kind.name, kind.awx_name)}


def type_called(called: object) -> CredentialType | None:
    """The type of a name, ours or AWX's, or None."""
    return _BY_ANY_NAME.get(str(called))


def credential_type(called: object, option: str) -> CredentialType:
    """The type of a name, ours or AWX's.

    Args:
        called: the name.
        option: for the message.

    Raises:
        Failure: `InvalidConfiguration`, where there is none of this name.
    """
    found = type_called(called)
    if found is None:
        known = ", ".join(f"{kind.name} ({kind.awx_name})" for kind in TYPES.values())
        raise _invalid(f"{option} is {called!r}; there are {known}.")
    return found


def read_inputs(kind: CredentialType, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The inputs of a credential, checked; those that are None or empty are left out.

    Args:
        kind: the credential's type.
        given: what the user gave.
        where: what the user calls it, for messages.

    Raises:
        Failure: `InvalidConfiguration`; it names the input, and shows no value of a secret one.
    """
    read: dict[str, Any] = {}
    for name, value in given.items():
        rule = kind.inputs.get(name)
        if rule is None:
            raise _invalid(
                f"{where} has {name!r}, which type {kind.name} does not; it has {', '.join(kind.inputs)}."
            )
        if value not in (None, ""):
            read[name] = _read_value(rule, value, f"{where}.{name}")
    for name, rule in kind.inputs.items():
        if rule.required and name not in read:
            raise _invalid(f"{where}.{name} is missing.")
    if "ssh_key_data" in kind.inputs:
        _check_key(read, where)
    if "@" in str(read.get("vault_id", "")):
        raise _invalid(f"{where}.vault_id must be a name without @, for example prod.")
    return read


def shown_inputs(type_name: str, inputs: Mapping[str, Any], hidden: str) -> dict[str, Any]:
    """Inputs as they may be shown: `hidden` stands for each that is secret, or that nobody knows."""
    known = TYPES[type_name].inputs if type_name in TYPES else {}
    return {
        name: value if name in known and not known[name].secret else hidden for name, value in inputs.items()
    }


def _read_value(rule: Input, value: Any, where: str) -> str | bool:
    if rule.boolean:
        known = value if isinstance(value, bool) else TRUTHS.get(str(value).strip().lower())
        if known is None:
            raise _invalid(f"{where} is {value!r}; it must be true or false.")
        return known
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise _invalid(f"{where} must be text, but it is {kind_of(value)}.")
    text = str(value)
    if not rule.lines and ("\n" in text or "\r" in text):
        raise _invalid(f"{where} must be one line.")
    return text


def _check_key(inputs: dict[str, Any], where: str) -> None:
    if "ssh_key_data" in inputs:
        inputs["ssh_key_data"] = read_private_key(
            inputs["ssh_key_data"], f"{where}.ssh_key_data", unlocked="ssh_key_unlock" in inputs
        )
    elif "ssh_key_unlock" in inputs:
        raise _invalid(f"{where}.ssh_key_unlock is given without ssh_key_data.")


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
