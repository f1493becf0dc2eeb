# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an export has in it, in the order in which it is needed; and what it has that is left out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.assets import Export, read_export
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key

OPS = {"name": "Ops", "type": "organization"}


def workflow(name: str, *runs: str) -> dict[str, Any]:
    nodes = [
        {
            "identifier": inner,
            "unified_job_template": {
                "name": inner,
                "organization": None,
                "type": "workflow_job_template",
            },
        }
        for inner in runs
    ]
    return {"name": name, "related": {"workflow_nodes": nodes}}


def read(**given: Any) -> Export:
    return read_export(given, "/projects")


def told(export: Export) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.name, each.option, each.why) for each in export.left_out]


def test_objects_come_after_those_that_they_need() -> None:
    given = {
        name: [{"name": "x", "is_container_group": True}]
        for name in (
            "workflow_job_templates",
            "projects",
            "instance_groups",
            "execution_environments",
            "organizations",
        )
    }
    given["projects"][0]["local_path"] = "p"
    assert [asset.key.kind for asset in read(**given).assets] == [
        "organization",
        "execution_environment",
        "container_group",
        "organization",  # again, with what it names
        "project",
        "workflow_job_template",
    ]


def test_an_organization_is_made_before_what_it_names() -> None:
    ee = {"name": "ee", "type": "execution_environment"}
    first, second = read(
        organizations=[{"name": "Ops", "description": "d", "default_environment": ee}]
    ).assets
    assert (first.key, first.given, first.references) == (second.key, {"description": "d"}, {})
    assert (second.given, second.references) == (
        {"description": "d"},
        {"default_environment": Key("execution_environment", "ee")},
    )


def test_workflows_come_after_those_that_they_run() -> None:
    given = [workflow("a", "b", "c"), workflow("b", "c"), workflow("c"), workflow("d", "a", "elsewhere")]
    export = read(workflow_job_templates=given)
    assert [asset.key.name for asset in export.assets] == ["c", "b", "a", "d"]


def test_workflows_that_run_each_other_are_no_trap() -> None:
    export = read(workflow_job_templates=[workflow("a", "b"), workflow("b", "a")])
    assert {asset.key.name for asset in export.assets} == {"a", "b"}


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        pytest.param(
            {"users": [{"username": "ann"}]},
            ("user", "ann", "", "there are no users: who may use the store's key may do everything."),
            id="users",
        ),
        pytest.param(
            {"credential_types": [{"name": "t"}]},
            ("credential_type", "t", "", "there are no credential types of one's own."),
            id="credential types",
        ),
        pytest.param(
            {"settings": {"A": 1}},
            ("settings", "", "", "object_import knows nothing of this kind."),
            id="what nobody knows",
        ),
        pytest.param(
            {
                "schedules": [
                    {"name": "s", "unified_job_template": {"name": "c", "type": "system_job_template"}}
                ]
            },
            (
                "schedule",
                "s",
                "",
                "of system job template 'c': there are no schedules; have cron, or a systemd timer, run a"
                " playbook.",
            ),
            id="schedules of system jobs",
        ),
        pytest.param(
            {"execution_environments": [{"name": "e", "image": "i"}, {"name": "e", "image": "j"}]},
            (
                "execution_environment",
                "e",
                "",
                "the export has another one of the same name, organization and kind.",
            ),
            id="namesakes",
        ),
        pytest.param(
            {"credentials": [{"name": "c", "organization": OPS, "credential_type": {"name": "Network"}}]},
            ("credential", "c", "", "there are no credentials of type 'Network' here."),
            id="credentials of other types",
        ),
        pytest.param(
            {"projects": [{"name": "p", "organization": "Ops"}]},
            (
                "project",
                "p",
                "",
                "assets.projects[0].organization must name an object as awx.awx.export does: a mapping with"
                " type, name, and mostly an organization.",
            ),
            id="no natural key",
        ),
    ],
)
def test_what_is_left_out_is_told(given: dict[str, Any], left_out: tuple[str, str, str, str]) -> None:
    assert told(read(**given)) == [left_out]


def test_a_schedule_is_told_once() -> None:
    template = {"name": "t", "organization": None, "type": "job_template"}
    schedule = {"name": "nightly", "unified_job_template": template}
    export = read(
        schedules=[schedule],
        job_templates=[{"name": "t", "project": None, "related": {"schedules": [schedule]}}],
    )
    assert [each[:2] for each in told(export)] == [("schedule", "nightly"), ("job_template", "t")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"projects": {"name": "p"}}, "assets.projects must be a list", id="no list"),
        pytest.param({"projects": ["p"]}, "assets.projects[0] must be a mapping with a name", id="a name"),
        pytest.param({"teams": [3]}, "assets.teams[0] must be a mapping", id="of what is left out"),
    ],
)
def test_what_is_no_export_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Failure) as caught:
        read(**given)
    assert caught.value.message.startswith(message)
