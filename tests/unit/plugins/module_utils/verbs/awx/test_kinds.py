# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of each kind of AWX's objects."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.fields import Asset, Fields
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key, Unknown
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.kinds import readers

PROJECT = {"name": "p", "organization": None, "type": "project"}
INVENTORY = {"name": "i", "organization": None, "type": "inventory"}
EE = {"name": "e", "type": "execution_environment"}
GROUPS = {"related": {"instance_groups": [{"name": "g", "type": "instance_group"}]}}
OF_EE = {"execution_environment": Key("execution_environment", "e")}
OF_GROUP = {"instance_groups": [Key("container_group", "g")]}


def credential(name: str, kind: str = "Machine") -> dict[str, Any]:
    return {"name": name, "organization": None, "credential_type": {"name": kind}, "type": "credential"}


def read(kind: str, /, **given: Any) -> Asset:
    fields = Fields({"name": "x", **given}, Key(kind, "x"))
    readers("/projects")[kind](fields)
    return fields.done()


def refusal(kind: str, /, **given: Any) -> str:
    with pytest.raises(Failure) as caught:
        read(kind, **given)
    return caught.value.message


@pytest.mark.parametrize(
    ("kind", "given", "options", "references", "lists"),
    [
        pytest.param(
            "organization",
            {"description": "d", "default_environment": None, **GROUPS},
            {"description": "d", "default_environment": ""},
            {},
            OF_GROUP,
            id="organization",
        ),
        pytest.param(
            "execution_environment",
            {"image": "i", "pull": "", "organization": {"name": "o", "type": "organization"}},
            {"image": "i", "pull": ""},
            {"organization": Key("organization", "o")},
            {},
            id="execution environment",
        ),
        pytest.param(
            "container_group",
            {
                "is_container_group": True,
                "credential": None,
                "max_forks": 3,
                "pod_spec_override": "a: {b: 1}",
            },
            {"credential": "", "max_forks": 3, "pod_spec_override": {"a": {"b": 1}}},
            {},
            {},
            id="container group",
        ),
        pytest.param(
            "project",
            {"scm_type": "", "local_path": "p", "scm_url": "", "scm_branch": "", "timeout": 0},
            {"scm_type": "manual", "local_path": "/projects/p", "timeout": 0},
            {},
            {},
            id="manual project",
        ),
        pytest.param(
            "project",
            {"scm_type": "git", "local_path": "_1__x", "scm_url": "u", "scm_branch": "b", "credential": None},
            {"scm_type": "git", "scm_url": "u", "scm_branch": "b", "credential": ""},
            {},
            {},
            id="git project",
        ),
        pytest.param(
            "project",
            {"scm_type": "archive", "scm_url": "u", "scm_branch": "", "default_environment": EE},
            {"scm_type": "archive", "scm_url": "u"},
            {"default_environment": Key("execution_environment", "e")},
            {},
            id="archive",
        ),
        pytest.param(
            "inventory",
            {"kind": "", "variables": "a: 2024-01-02", "prevent_instance_group_fallback": True, **GROUPS},
            {"variables": {"a": "2024-01-02"}, "prevent_instance_group_fallback": True, "content": {}},
            {},
            OF_GROUP,
            id="inventory",
        ),
        pytest.param(
            "inventory_source",
            {"source": "scm", "source_project": PROJECT, "source_vars": "", "timeout": -5},
            {"source": "scm", "source_vars": {}, "timeout": 0},
            {"source_project": Key("project", "p")},
            {},
            id="inventory source of a project",
        ),
        pytest.param(
            "inventory_source",
            {
                "source": "ec2",
                "source_project": None,
                "source_vars": "---\nregions: [a]",
                "enabled_value": "on",
            },
            {"source": "ec2", "source_project": "", "source_vars": {"regions": ["a"]}},
            {},
            {},
            id="inventory source of a cloud",
        ),
        pytest.param(
            "job_template",
            {
                "project": PROJECT,
                "inventory": INVENTORY,
                "execution_environment": EE,
                "playbook": "p.yml",
                "extra_vars": '{"a": 1}',
                "timeout": -1,
                **GROUPS,
            },
            {"playbook": "p.yml", "extra_vars": {"a": 1}, "timeout": 0, "survey_spec": {}},
            {"project": Key("project", "p"), "inventory": Key("inventory", "i"), **OF_EE},
            OF_GROUP,
            id="job template",
        ),
        pytest.param(
            "workflow_job_template",
            {"inventory": INVENTORY, "limit": None, "job_tags": "t", "allow_simultaneous": True},
            {"job_tags": "t", "allow_simultaneous": True, "extra_vars": {}, "survey_spec": {}},
            {"inventory": Key("inventory", "i")},
            {},
            id="workflow",
        ),
    ],
)
def test_an_asset_is_taken_apart(
    kind: str,
    given: dict[str, Any],
    options: dict[str, Any],
    references: dict[str, Any],
    lists: dict[str, Any],
) -> None:
    asset = read(kind, **given)
    assert (asset.given, asset.references, asset.lists, asset.left_out) == (options, references, lists, [])
    assert set(asset.given) | set(asset.references) | set(asset.lists) <= KINDS[kind].options


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        pytest.param(
            "container_group", {"is_container_group": False}, "it is a group of instances", id="vms"
        ),
        pytest.param("project", {"scm_type": "svn"}, "its scm_type is svn", id="svn"),
        pytest.param("project", {"scm_type": "", "local_path": ""}, "it has no local_path", id="no path"),
        pytest.param("inventory", {"kind": "smart"}, "it is a smart inventory", id="smart"),
        pytest.param("inventory", {"variables": "a: b: c"}, "variables is not valid YAML", id="variables"),
        pytest.param(
            "inventory_source",
            {"source": "scm", "host_filter": "web.*"},
            "it has host_filter, which there is none of here; without it, it would bring more hosts.",
            id="filtered",
        ),
        pytest.param("inventory_source", {"source": "rhv"}, "its source is rhv", id="source"),
        pytest.param("inventory_source", {"source": ""}, "its source is not given", id="no source"),
        pytest.param("inventory_source", {"source": "scm"}, "it has no source_project", id="no project"),
        pytest.param("job_template", {"project": None}, "it has no project", id="template without a project"),
        pytest.param(
            "job_template", {"project": PROJECT}, "it has no inventory", id="template without an inventory"
        ),
        pytest.param("credential", {"inputs": "x"}, "inputs must be a mapping", id="inputs"),
        pytest.param("organization", {"related": [1]}, "related must be a mapping", id="related"),
        pytest.param(
            "workflow_job_template",
            {"related": {"survey_spec": "x"}},
            "related.survey_spec must be a mapping",
            id="survey",
        ),
        pytest.param(
            "workflow_job_template",
            {"related": {"survey_spec": {"spec": ["x"]}}},
            "related.survey_spec.spec must be a list of mappings",
            id="questions",
        ),
    ],
)
def test_what_can_not_be_is_refused(kind: str, given: dict[str, Any], message: str) -> None:
    assert refusal(kind, **given).startswith(message)


def test_a_template_that_asks_for_its_inventory_may_have_none() -> None:
    asset = read("job_template", project=PROJECT, inventory=None, ask_inventory_on_launch=True)
    assert (asset.given["inventory"], set(asset.needed)) == ("", {"project"})


@pytest.mark.parametrize(
    ("kind", "given", "left_out"),
    [
        pytest.param("organization", {"max_hosts": 0, "new_field": None}, [], id="what nobody has set"),
        pytest.param(
            "organization", {"new_field": 3}, [("new_field", "there is no such option here")], id="new"
        ),
        pytest.param(
            "organization",
            {"max_hosts": 3},
            [("max_hosts", "there is no limit of an organization's hosts")],
            id="known",
        ),
        pytest.param(
            "organization",
            {"related": {"notification_templates_error": [{}], "notification_templates_success": []}},
            [("notification_templates_error", "there are no notifications")],
            id="notifications",
        ),
        pytest.param(
            "organization", {"related": {"execution_environments": [EE], "labels": []}}, [], id="mere lists"
        ),
    ],
)
def test_what_has_no_counterpart_is_told(
    kind: str, given: dict[str, Any], left_out: list[tuple[str, str]]
) -> None:
    assert read(kind, **given).left_out == left_out


def test_a_job_takes_machine_and_vault_credentials_only() -> None:
    given = [
        credential("m"),
        credential("s", "Source Control"),
        credential("v", "Vault"),
        credential("a", "AWS"),
    ]
    asset = read(
        "job_template", project=PROJECT, inventory=INVENTORY, related={"credentials": [*given, given[0]]}
    )
    assert asset.lists["credentials"] == [
        Key("credential", "m", None, "machine"),
        Key("credential", "v", None, "vault"),
    ]
    assert asset.left_out == [
        ("credentials", "credential 's': it is of type source_control; it must be machine or vault"),
        ("credentials", "credential 'a': there are no credentials of type 'AWS' here"),
    ]


def test_an_inventory_source_takes_one_credential() -> None:
    vaults = [credential("v", "Vault"), credential("w", "Vault"), credential("m")]
    asset = read(
        "inventory_source",
        source="ec2",
        credential=vaults[0],
        related={"credentials": vaults},
        inventory=INVENTORY,
    )
    assert asset.references == {"credential": Key("credential", "v", None, "vault")}
    assert asset.lists == {}
    assert asset.left_out == [
        ("credential", "credential 'm': it is of type machine; it must be vault or kubernetes_bearer_token"),
        ("credential", "credential 'w': an inventory source takes one"),
    ]


def test_a_reference_that_can_not_be_is_kept_to_be_told() -> None:
    asset = read("execution_environment", image="i", credential=credential("a", "AWS"))
    assert asset.references == {
        "credential": Unknown("credential 'a': there are no credentials of type 'AWS' here")
    }
