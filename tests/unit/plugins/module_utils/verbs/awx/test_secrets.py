# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that an export has not come from the user, or from what is stored."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import StoredObject
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import StoredNode
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.secrets import (
    Secrets,
    survey_with_secrets,
    variables_with_secrets,
)

OURS = Key("credential", "c", "ours", "machine")
THEIRS = Key("credential", "c", "theirs", "machine")
VAULT = Key("credential", "c", "ours", "vault")
ALONE = Key("credential", "alone", None, "machine")
KEYS = [OURS, THEIRS, VAULT, ALONE]
HIDDEN = "$encrypted$"
ABSENT = "exports have no secrets; give it in secrets"


def secret(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "inputs": {"password": "given"}, **given}


@pytest.mark.parametrize(
    ("given", "key"),
    [
        pytest.param(secret("alone"), ALONE, id="by its name"),
        pytest.param(secret("c", organization="theirs"), THEIRS, id="by its organization"),
        pytest.param(
            secret("c", organization="ours", credential_type="Machine"), OURS, id="by its type, too"
        ),
        pytest.param(
            secret("c", organization="ours", credential_type="vault"), VAULT, id="by our name of the type"
        ),
    ],
)
def test_a_secret_is_of_one_credential(given: dict[str, Any], key: Key) -> None:
    secrets = Secrets([given], KEYS)
    assert [each for each in KEYS if secrets.inputs(each, {}, None)[0]] == [key]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            secret("d"),
            "secrets[0] (d) fits no credential that can be stored of the export.",
            id="none",
        ),
        pytest.param(
            secret("c", organization="ours"),
            "secrets[0] (c) fits 2 credentials of the export; give organization and credential_type, too.",
            id="several",
        ),
        pytest.param(
            secret("alone", credential_type="AWS"),
            "secrets[0].credential_type is 'AWS'; there are",
            id="type",
        ),
    ],
)
def test_a_secret_of_no_one_credential_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Failure) as caught:
        Secrets([given], KEYS)
    assert caught.value.message.startswith(message)
    assert "given" not in caught.value.message.replace("credentials", "")


@pytest.mark.parametrize(
    ("exported", "stored", "given", "inputs", "notes"),
    [
        pytest.param({"username": "u"}, None, {}, {"username": "u"}, [], id="no secret"),
        pytest.param({"password": HIDDEN}, None, {}, {}, [("inputs.password", ABSENT)], id="missing"),
        pytest.param({"password": ""}, None, {}, {}, [("inputs.password", ABSENT)], id="left empty"),
        pytest.param(
            {"password": "ASK"},
            None,
            {},
            {},
            [("inputs.password", f"nobody can be asked for it; {ABSENT}")],
            id="to be asked for",
        ),
        pytest.param(
            {"password": HIDDEN}, None, {"password": "p"}, {"password": "p"}, [], id="given by the user"
        ),
        pytest.param(
            {"username": "u", "password": HIDDEN},
            {"username": "old", "password": "kept", "become_password": "kept, too"},
            {},
            {"username": "u", "password": "kept", "become_password": "kept, too"},
            [],
            id="stored secrets are kept",
        ),
        pytest.param(
            {"password": HIDDEN},
            {"password": "old"},
            {"password": "new"},
            {"password": "new"},
            [],
            id="what is given counts more",
        ),
        pytest.param(
            {"ssh_public_key_data": "ssh-rsa", "other": ""},
            None,
            {},
            {},
            [("inputs.ssh_public_key_data", "type machine has no such input here")],
            id="an input that we have not",
        ),
    ],
)
def test_inputs_are_put_together(
    exported: dict[str, Any],
    stored: dict[str, Any] | None,
    given: dict[str, Any],
    inputs: dict[str, Any],
    notes: list[tuple[str, str]],
) -> None:
    secrets = Secrets([{"name": "alone", "inputs": given}] if given else [], KEYS)
    before = None if stored is None else StoredObject(1, "alone", {"inputs": stored})
    assert secrets.inputs(ALONE, exported, before) == (inputs, notes)


QUESTION = {"variable": "v", "type": "password", "default": HIDDEN}


@pytest.mark.parametrize(
    ("spec", "stored", "kept", "left_out"),
    [
        pytest.param([], None, [], [], id="no questions"),
        pytest.param([{**QUESTION, "default": "x"}], None, [{**QUESTION, "default": "x"}], [], id="known"),
        pytest.param(
            [QUESTION],
            None,
            [{"variable": "v", "type": "password"}],
            ["survey_spec: the default of v"],
            id="unknown",
        ),
        pytest.param([QUESTION], [{"variable": "v", "default": "s"}], [QUESTION], [], id="stored"),
        pytest.param(
            [QUESTION],
            [{"variable": "v", "default": ""}, {"variable": "w", "default": "s"}],
            [{"variable": "v", "type": "password"}],
            ["survey_spec: the default of v"],
            id="stored for another",
        ),
    ],
)
def test_a_survey_s_passwords(
    spec: list[Any], stored: list[Any] | None, kept: list[Any], left_out: list[str]
) -> None:
    before = None if stored is None else StoredObject(1, "t", {"survey_spec": {"spec": stored}})
    survey, notes = survey_with_secrets({"spec": spec}, before)
    assert survey == ({"spec": kept} if kept else {})
    assert [option for option, _why in notes] == left_out


@pytest.mark.parametrize(
    ("known", "kept", "left_out"),
    [
        pytest.param({}, {"a": 1}, ["workflow_nodes: n: extra_data.token"], id="unknown"),
        pytest.param({"token": "t"}, {"a": 1, "token": HIDDEN}, [], id="stored"),
    ],
)
def test_a_node_s_secrets(known: dict[str, Any], kept: dict[str, Any], left_out: list[str]) -> None:
    nodes = [StoredNode("m", "project", 1, extra_data={"token": "other"})]
    nodes.append(StoredNode("n", "project", 1, extra_data=known))
    stored = StoredObject(1, "w", {"workflow_nodes": nodes})
    variables, notes = variables_with_secrets("n", {"a": 1, "token": HIDDEN}, stored)
    assert (variables, [option for option, _why in notes]) == (kept, left_out)
