# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of credentials: AWX's names and inputs, and which of them are secret."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    TYPES,
    credential_type,
    read_inputs,
    shown_inputs,
    type_called,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

SECRET = "s3cret-value"  # noqa: S105 - that is what is looked for
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
INPUTS: dict[str, dict[str, Any]] = {
    "kubernetes_bearer_token": {
        "host": "https://api.test:6443",
        "bearer_token": SECRET,
        "verify_ssl": True,
        "ssl_ca_cert": "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
    },
    "machine": {
        "username": "ann",
        "password": SECRET,
        "ssh_key_data": KEY,
        "ssh_key_unlock": SECRET,
        "become_method": "sudo",
        "become_username": "root",
        "become_password": SECRET,
    },
    "vault": {"vault_password": SECRET, "vault_id": "prod"},
    "source_control": {
        "username": "ann",
        "password": SECRET,
        "ssh_key_data": KEY,
        "ssh_key_unlock": SECRET,
    },
    "container_registry": {
        "host": "quay.io",
        "username": "ann",
        "password": SECRET,
        "verify_ssl": False,
    },
}
"""All inputs of each type."""
HIDDEN = {"bearer_token", "password", "ssh_key_data", "ssh_key_unlock", "become_password", "vault_password"}


def refused(name: str, inputs: dict[str, Any]) -> str:
    with pytest.raises(Failure) as caught:
        read_inputs(TYPES[name], inputs, "inputs")
    assert caught.value.reason == "InvalidConfiguration"
    assert SECRET not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("ours", "awx"),
    [
        ("kubernetes_bearer_token", "OpenShift or Kubernetes API Bearer Token"),
        ("machine", "Machine"),
        ("vault", "Vault"),
        ("source_control", "Source Control"),
        ("container_registry", "Container Registry"),
    ],
)
def test_each_type_has_two_names(ours: str, awx: str) -> None:
    assert credential_type(ours, "credential_type") is credential_type(awx, "credential_type")
    assert credential_type(awx, "credential_type").name == ours


def test_all_types_are_tested_here() -> None:
    assert {name: set(kind.inputs) for name, kind in TYPES.items()} == {
        name: set(inputs) for name, inputs in INPUTS.items()
    }


@pytest.mark.parametrize("called", ["", "Amazon Web Services", None, 1], ids=repr)
def test_unknown_type_is_told_what_there_is(called: object) -> None:
    assert type_called(called) is None
    with pytest.raises(Failure) as caught:
        credential_type(called, "credentials[0].credential_type")
    assert caught.value.message.startswith(f"credentials[0].credential_type is {called!r}; there are ")
    assert all(name in caught.value.message for name in (*TYPES, "Machine"))


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_all_inputs_of_a_type(name: str) -> None:
    inputs = INPUTS[name]
    assert read_inputs(TYPES[name], inputs, "inputs") == inputs
    shown = shown_inputs(name, inputs, "hidden")
    assert {key for key in shown if shown[key] == "hidden"} == HIDDEN & set(inputs)
    assert {**inputs, **dict.fromkeys(HIDDEN & set(inputs), "hidden")} == shown


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("kubernetes_bearer_token", "host"),
        ("kubernetes_bearer_token", "bearer_token"),
        ("vault", "vault_password"),
        ("container_registry", "host"),
    ],
)
@pytest.mark.parametrize("empty", [..., None, ""], ids=["absent", "null", "empty"])
def test_input_that_a_type_needs(name: str, missing: str, empty: object) -> None:
    inputs = {**INPUTS[name], missing: empty}
    if empty is ...:
        del inputs[missing]
    assert refused(name, inputs) == f"inputs.{missing} is missing."


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_inputs_that_a_type_does_not_need(name: str) -> None:
    needed = {key: INPUTS[name][key] for key, rule in TYPES[name].inputs.items() if rule.required}
    others = {key: None for key in TYPES[name].inputs if key not in needed}
    assert read_inputs(TYPES[name], {**needed, **others}, "inputs") == needed


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_unknown_input_is_told_what_there_is(name: str) -> None:
    message = refused(name, {**INPUTS[name], "passwrod": SECRET})
    assert message == (
        f"inputs has 'passwrod', which type {name} does not; it has {', '.join(TYPES[name].inputs)}."
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [(True, True), (False, False), ("yes", True), ("No", False), (" true ", True), (0, False), (1, True)],
    ids=repr,
)
def test_truth(given: object, read: bool) -> None:
    inputs = {**INPUTS["container_registry"], "verify_ssl": given}
    assert read_inputs(TYPES["container_registry"], inputs, "inputs")["verify_ssl"] is read


@pytest.mark.parametrize("given", ["maybe", 2, [True], {}], ids=repr)
def test_no_truth(given: object) -> None:
    message = refused("container_registry", {**INPUTS["container_registry"], "verify_ssl": given})
    assert message == f"inputs.verify_ssl is {given!r}; it must be true or false."


@pytest.mark.parametrize(
    ("value", "kind"), [([SECRET], "a list"), ({"a": SECRET}, "a mapping"), (True, "true")], ids=str
)
def test_text_that_is_none(value: object, kind: str) -> None:
    message = refused("source_control", {"password": value})
    assert message == f"inputs.password must be text, but it is {kind}."


@pytest.mark.parametrize("end", ["\n", "\r", "\nmore"], ids=repr)
def test_text_of_several_lines(end: str) -> None:
    inputs = {**INPUTS["kubernetes_bearer_token"], "bearer_token": SECRET + end}
    assert refused("kubernetes_bearer_token", inputs) == "inputs.bearer_token must be one line."


def test_passphrase_without_key() -> None:
    message = refused("source_control", {"ssh_key_unlock": SECRET})
    assert message == "inputs.ssh_key_unlock is given without ssh_key_data."


def test_vault_id_with_the_source_of_a_password() -> None:
    message = refused("vault", {**INPUTS["vault"], "vault_id": "prod@prompt"})
    assert message == "inputs.vault_id must be a name without @, for example prod."
