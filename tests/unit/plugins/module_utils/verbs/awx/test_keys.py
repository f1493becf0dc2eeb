# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Natural keys, as awxkit writes them, name objects here or tell why there are none."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import (
    Key,
    Unknown,
    own_key,
    read_key,
)

OPS = {"name": "Ops", "type": "organization"}
MACHINE = {"name": "Machine", "kind": "ssh", "type": "credential_type"}
LAB = {"organization": None, "name": "lab", "type": "inventory"}


def credential(**given: Any) -> dict[str, Any]:
    return {"name": "c", "organization": OPS, "credential_type": MACHINE, "type": "credential", **given}


@pytest.mark.parametrize(
    ("natural", "key"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(OPS, Key("organization", "Ops"), id="organization"),
        pytest.param(
            {"name": "w", "organization": OPS, "type": "project"}, Key("project", "w", "Ops"), id="project"
        ),
        pytest.param(LAB, Key("inventory", "lab"), id="in no organization"),
        pytest.param(credential(), Key("credential", "c", "Ops", "machine"), id="credential"),
        pytest.param(
            {"organization": None, "name": "s", "inventory": LAB, "type": "inventory_source"},
            Key("inventory_source", "s", inventory=Key("inventory", "lab")),
            id="inventory source",
        ),
        pytest.param(
            {"name": "prod", "type": "instance_group"}, Key("container_group", "prod"), id="instance group"
        ),
        pytest.param(
            {"name": "ee", "type": "execution_environment"},
            Key("execution_environment", "ee"),
            id="execution environment",
        ),
        pytest.param(
            {"username": "ann", "type": "user"}, Unknown("user 'ann': there are no users"), id="user"
        ),
        pytest.param(
            {"name": "Clean up", "type": "system_job_template"},
            Unknown(
                "system job template 'Clean up': there are no system jobs; cleanup_jobs is a module here"
            ),
            id="system job",
        ),
        pytest.param(
            {"name": "x", "type": "new_thing"},
            Unknown("new thing 'x': there is no such kind here"),
            id="unknown type",
        ),
        pytest.param(
            credential(credential_type={"name": "Amazon Web Services", "kind": "cloud"}),
            Unknown(
                "credential 'c' of organization 'Ops': there are no credentials of type 'Amazon Web Services'"
                " here"
            ),
            id="credential of another type",
        ),
        pytest.param(
            credential(organization=None, credential_type={"name": "Machine", "kind": "cloud"}),
            Unknown("credential 'c': there are no credentials of type 'Machine' here"),
            id="credential of somebody's own type",
        ),
    ],
)
def test_a_natural_key_is_read(natural: object, key: object) -> None:
    assert read_key(natural, "here") == key


@pytest.mark.parametrize(
    ("natural", "message"),
    [
        pytest.param("Ops", "here must name an object as awx.awx.export does", id="a mere name"),
        pytest.param({"name": "Ops"}, "here must name an object", id="no type"),
        pytest.param({"type": "project"}, "here has no name", id="no name"),
        pytest.param(
            {"name": "p", "type": "project", "organization": LAB},
            "here.organization must be an organization",
            id="another kind for an organization",
        ),
        pytest.param({"name": "s", "type": "inventory_source"}, "here has no inventory", id="no inventory"),
        pytest.param(
            credential(credential_type="Machine"),
            "here.credential_type must be a mapping",
            id="a name for a type",
        ),
    ],
)
def test_what_is_none_is_refused(natural: object, message: str) -> None:
    with pytest.raises(Failure) as caught:
        read_key(natural, "here")
    assert caught.value.message.startswith(message)


def test_an_asset_is_called_by_its_own_fields_where_it_has_no_natural_key() -> None:
    assert own_key({"name": "prod", "is_container_group": True}, "container_group", "here") == Key(
        "container_group", "prod"
    )
    assert own_key(credential(natural_key=None), "credential", "here") == Key(
        "credential", "c", "Ops", "machine"
    )


def test_an_asset_is_of_its_list_s_kind() -> None:
    with pytest.raises(Failure) as caught:
        own_key({"name": "lab", "natural_key": LAB}, "project", "assets.projects[0]")
    assert caught.value.message == "assets.projects[0] must be a project."


@pytest.mark.parametrize(
    ("key", "words", "owner"),
    [
        pytest.param(Key("execution_environment", "ee"), "execution environment 'ee'", None, id="alone"),
        pytest.param(Key("project", "p", "Ops"), "project 'p' of organization 'Ops'", "Ops", id="owned"),
        pytest.param(
            Key("inventory_source", "s", inventory=Key("inventory", "lab", "Ops")),
            "inventory source 's' of inventory 'lab' of organization 'Ops'",
            "Ops",
            id="inventory source",
        ),
    ],
)
def test_a_key_tells_which_object_it_is(key: Key, words: str, owner: str | None) -> None:
    assert (str(key), key.owner) == (words, owner)
