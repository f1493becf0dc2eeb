# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An export of AWX is imported: a sample of all that there is in one, and what can go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)

SAMPLE = Path(__file__).parent / "awx" / "awx_export.yml"
SECRETS = [
    {"name": "release secrets", "inputs": {"vault_password": "s3cret-vault"}},
    {"name": "production cluster", "inputs": {"bearer_token": "s3cret-token"}},
    {"name": "web servers", "organization": "Research", "inputs": {"password": "s3cret-password"}},
]
CLUSTER = [SECRETS[1]]
ORGANIZATION = {"name": "Ops", "type": "organization"}


class Importing:
    """Somebody who imports.

    Attributes:
        feed: what the last call told.
    """

    def __init__(self, folder: Path, launcher: Launcher) -> None:
        self.feed = KeptFeed()
        self._folder = folder
        self._launcher = launcher
        self.store = JobStore.open(store_options({"data_dir": str(folder / "store")}, {}, folder))

    async def __call__(self, *, check: bool = False, diff: bool = False, **options: Any) -> Result:
        self.feed = KeptFeed()
        request = request_for("object_import", self._folder, check=check, diff=diff, **options)
        result = await verb("object_import")(request, self.feed, self._launcher)
        assert result is not None
        return result

    def stored(self, kind: str, name: str, **filters: Any) -> dict[str, Any]:
        (found,) = self.store.objects.list(kind, name=name, **filters)
        return found

    def count(self) -> int:
        kinds = ("organization", "credential", "project", "inventory", "job_template")
        return sum(len(self.store.objects.list(kind)) for kind in kinds)


@pytest.fixture
def importing(tmp_path: Path) -> Iterator[Importing]:
    made = Importing(tmp_path, None)  # type: ignore[arg-type]  # the verb does not look at who launches it
    yield made
    made.store.close()


def names(listed: list[dict[str, Any]]) -> list[str]:
    return [f"{each['kind']} {each['name']}" for each in listed]


def why(result: Result, kind: str, name: str, option: str | None = None) -> list[str]:
    wanted = (kind, name, option)
    return [
        str(each["why"])
        for each in result["left_out"]
        if (each["kind"], each["name"], each["option"]) == wanted
    ]


CREATED = [
    "organization Operations",
    "organization Research",
    "credential web servers",
    "credential web servers",
    "credential git.example.com",
    "credential registry.example.com",
    "execution_environment tools",
    "project website",
    "project scripts",
    "inventory production",
    "inventory lab",
    "inventory_source from git",
    "workflow_job_template release website",
    "workflow_job_template release everything",
]
WITH_SECRETS = [
    "credential release secrets",
    "credential production cluster",
    "container_group prod",
    "job_template deploy website",
    "job_template roll back website",
]


async def test_check_do_do_again_and_complete_it(importing: Importing) -> None:
    trial = await importing(path=str(SAMPLE), check=True)
    assert (names(trial["created"]), trial["changed"], importing.count()) == (CREATED, True, 0)

    done = await importing(path=str(SAMPLE))
    assert done["left_out"] == trial["left_out"]
    assert names(done["created"]) == CREATED
    assert done["msg"].startswith("14 objects were created and 0 changed; 0 are as they should be;")

    for check in (False, True):
        again = await importing(path=str(SAMPLE), check=check)
        assert (again["changed"], again["created"], again["changed_objects"]) == (False, [], [])
        assert sorted(names(again["unchanged"])) == sorted(CREATED)
        assert again["left_out"] == done["left_out"]

    completed = await importing(path=str(SAMPLE), secrets=SECRETS)
    assert names(completed["created"]) == WITH_SECRETS
    assert names(completed["changed_objects"]) == [
        "organization Operations",
        "credential web servers",
        "inventory_source from git",
        "workflow_job_template release website",
    ]
    for secrets in (SECRETS, []):  # what is stored is kept
        again = await importing(path=str(SAMPLE), secrets=secrets)
        assert (again["changed"], len(again["unchanged"])) == (False, 19)
        assert again["left_out"] == completed["left_out"]


async def test_what_is_stored_of_the_sample(importing: Importing) -> None:
    await importing(path=str(SAMPLE), secrets=SECRETS, projects_root="/srv/projects")
    stored = importing.stored
    organization = stored("organization", "Operations")
    assert (organization["default_environment"], organization["instance_groups"]) == ("tools", ["prod"])
    ours = stored("credential", "web servers", organization="Operations")
    assert ours["inputs"] == {"username": "deploy", "become_method": "sudo"}
    theirs = stored("credential", "web servers", organization="Research")
    assert theirs["inputs"] == {"username": "lab", "password": "$encrypted$"}
    group = stored("container_group", "prod")
    assert (group["credential"], group["max_concurrent_jobs"]) == ("production cluster", 5)
    assert group["pod_spec_override"]["metadata"] == {"namespace": "jobs"}
    assert stored("project", "scripts")["local_path"] == "/srv/projects/scripts"
    website = stored("project", "website")
    assert (website["local_path"], website["scm_branch"], website["credential"]) == (
        "",
        "main",
        "git.example.com",
    )
    production = stored("inventory", "production")
    assert production["variables"] == {"domain": "example.com"}
    assert production["content"] == {
        "all": {"hosts": {"web1": {"ansible_host": "192.0.2.1"}, "db1": {}}},
        "web": {"hosts": {"web1": {}}, "vars": {"http_port": 8080}},
        "db": {"hosts": {"db1": {}}},
        "site": {"children": {"web": {}, "db": {}}},
    }
    source = stored("inventory_source", "from git")
    assert (source["inventory"], source["source_project"], source["credential"]) == (
        "lab",
        "website",
        "release secrets",
    )
    template = stored("job_template", "deploy website")
    assert (template["credentials"], template["instance_groups"]) == (
        ["web servers", "release secrets"],
        ["prod"],
    )
    assert (template["timeout"], template["extra_vars"], template["organization"]) == (
        0,
        {"colour": "green"},
        "Operations",
    )
    assert [question["variable"] for question in template["survey_spec"]["spec"]] == ["version", "token"]
    workflow = stored("workflow_job_template", "release website")
    assert {
        node["identifier"]: {
            child["identifier"]
            for kind in ("success_nodes", "failure_nodes")
            for child in node["related"][kind]
        }
        for node in workflow["workflow_nodes"]
    } == {"fetch": {"deploy"}, "list": {"deploy"}, "deploy": {"roll back"}, "roll back": set()}
    (deploy,) = (node for node in workflow["workflow_nodes"] if node["identifier"] == "deploy")
    assert (deploy["all_parents_must_converge"], deploy["limit"]) == (True, "web1")
    assert deploy["extra_data"] == {"version": "2.0", "extra": True}
    (node,) = stored("workflow_job_template", "release everything")["workflow_nodes"]
    assert node["unified_job_template"]["name"] == "release website"


async def test_what_is_left_out_of_the_sample(importing: Importing) -> None:
    result = await importing(path=str(SAMPLE), secrets=CLUSTER)
    whole = [f"{each['kind']} {each['name']}" for each in result["left_out"] if each["option"] is None]
    assert whole == [
        "user ann",
        "team night shift",
        "credential_type Backup vault",
        "notification_template on-call",
        "schedule every night",
        "schedule Cleanup Job Schedule",
        "credential cloud",
        "credential backups",
        "container_group vms",
        "project legacy",
        "inventory stale machines",
        "inventory_source machines of the cloud",
        "credential release secrets",
        "job_template update legacy",
        "job_template look after stale machines",
        "workflow_job_template legacy only",
    ]
    assert why(result, "credential", "release secrets") == [
        "inputs.vault_password is missing: exports have no secrets; give it in secrets."
    ]
    assert why(result, "job_template", "deploy website", "credentials") == [
        "credential 'cloud' of organization 'Operations': there are no credentials of type 'Amazon Web"
        " Services' here.",
        "credential 'release secrets' of organization 'Operations' was left out.",
    ]
    assert why(result, "workflow_job_template", "release website", "workflow_nodes: approve") == [
        "approval 'Is it fine?': there are no approvals."
    ]
    assert why(result, "workflow_job_template", "release website", "workflow_nodes: announce") == [
        "job template 'roll back website' of organization 'Operations' runs after the node approve, which"
        " was left out."
    ]
    assert why(result, "workflow_job_template", "legacy only") == [
        "none of its nodes can be had: job template 'update legacy' of organization 'Operations' was left"
        " out."
    ]
    assert importing.feed.warnings == [
        f"{len(result['left_out'])} things of the export left out; see left_out"
    ]


async def test_the_difference_shows_no_secret(importing: Importing) -> None:
    result = await importing(path=str(SAMPLE), secrets=SECRETS, diff=True, check=True)
    assert len(result["diff"]) == 19
    (cluster,) = (
        each
        for each in result["diff"]
        if each["after_header"] == "credential 'production cluster' of organization 'Operations'"
    )
    assert (cluster["before"], cluster["after"]["inputs"]["bearer_token"]) == ({}, "$encrypted$")
    assert "s3cret" not in json.dumps(result)


async def test_an_object_is_made_what_the_export_says(importing: Importing) -> None:
    await importing(path=str(SAMPLE), secrets=CLUSTER)
    importing.store.objects.save("job_template", Wanted("deploy website", {"forks": 3, "limit": "db"}))
    result = await importing(path=str(SAMPLE), diff=True)
    assert names(result["changed_objects"]) == ["job_template deploy website"]
    (difference,) = result["diff"]
    assert (difference["before"]["forks"], difference["after"]["forks"]) == (3, 10)


# -- what is given --


async def test_assets_may_be_given_as_they_were_registered(importing: Importing, tmp_path: Path) -> None:
    whole = {"assets": {"organizations": [{"name": "Ops"}]}, "changed": False, "failed": False}
    assert names((await importing(assets=whole["assets"]))["created"]) == ["organization Ops"]
    assert names((await importing(assets=whole))["unchanged"]) == ["organization Ops"]
    (tmp_path / "export.json").write_text(json.dumps(whole))
    (tmp_path / "export.yml").write_text(yaml.safe_dump(whole["assets"]))
    for path in ("export.json", str(tmp_path / "export.yml")):
        assert names((await importing(path=path))["unchanged"]) == ["organization Ops"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({}, "give assets or path, one of them.", id="neither"),
        pytest.param({"assets": {}, "path": "x"}, "give assets or path, one of them.", id="both"),
        pytest.param({"path": "nowhere.json"}, "can't be read: No such file or directory.", id="no file"),
        pytest.param({"path": "text"}, "path must be what awx.awx.export returns in assets", id="a text"),
        pytest.param({"path": "broken"}, "is neither JSON nor YAML (line", id="broken"),
        pytest.param({"path": "binary"}, "it is no text in UTF-8", id="binary"),
        pytest.param({"assets": {"projects": {}}}, None, id="empty mapping for an empty list"),
        pytest.param({"assets": {"projects": "x"}}, "assets.projects must be a list", id="no list"),
        pytest.param(
            {"assets": {}, "secrets": [{"name": "c", "inputs": {"password": "s3cret"}}]},
            "secrets[0] (c) fits no credential",
            id="a secret too many",
        ),
    ],
)
async def test_what_is_no_export_is_refused(
    importing: Importing, tmp_path: Path, options: dict[str, Any], message: str | None
) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "broken").write_text("a: 1\nb: {")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    if message is None:
        assert (await importing(**options))["changed"] is False
        return
    with pytest.raises(Failure) as caught:
        await importing(**options)
    assert (caught.value.reason, message in caught.value.message) == ("InvalidConfiguration", True)
    assert "s3cret" not in caught.value.message


# -- what is needed --


async def test_what_is_stored_already_can_be_named(importing: Importing) -> None:
    importing.store.objects.save("organization", Wanted("Ops"))
    importing.store.objects.save("project", Wanted("p", {"organization": "Ops"}))
    template = {
        "name": "t",
        "project": {"name": "p", "organization": ORGANIZATION, "type": "project"},
        "inventory": None,
        "ask_inventory_on_launch": True,
        "playbook": "x.yml",
        "natural_key": {"name": "t", "organization": ORGANIZATION, "type": "job_template"},
    }
    result = await importing(assets={"job_templates": [template]})
    assert (names(result["created"]), result["left_out"]) == (["job_template t"], [])
    assert importing.stored("job_template", "t")["project"] == "p"


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        pytest.param(
            {"name": "i", "organization": {"name": "None", "type": "organization"}},
            "organization 'None' is neither in the export nor stored.",
            id="its organization",
        ),
        pytest.param(
            {"name": "12"}, "its name is a number, which would be taken for an id here.", id="number"
        ),
        pytest.param({"name": " "}, "name must have from 1 to 512 characters, but it is ' '.", id="no name"),
    ],
)
async def test_it_is_told_why_an_object_can_not_be(
    importing: Importing, asset: dict[str, Any], message: str
) -> None:
    result = await importing(assets={"inventory": [asset]})
    assert why(result, "inventory", asset["name"]) == [message]
    assert importing.count() == 0


async def test_a_left_out_credential_that_is_stored_by_hand_is_taken(importing: Importing) -> None:
    await importing(path=str(SAMPLE), secrets=CLUSTER)
    given = {
        "organization": "Operations",
        "credential_type": "vault",
        "inputs": {"vault_id": "release", "vault_password": "by hand"},
    }
    importing.store.objects.save("credential", Wanted("release secrets", given))
    result = await importing(path=str(SAMPLE))
    assert names(result["changed_objects"]) == ["inventory_source from git", "job_template deploy website"]
    number = importing.stored("credential", "release secrets")["id"]
    kept = importing.store.objects.by_id("credential", number).values["inputs"]
    assert kept == {"vault_id": "release", "vault_password": "by hand"}


# -- what nodes prompt with --


def asset(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    key = {"name": name, "organization": ORGANIZATION, "type": kind}
    return {"name": name, "organization": ORGANIZATION, "natural_key": key, **fields}


def flow(*nodes: dict[str, Any], **asked: bool) -> dict[str, Any]:
    """A workflow, and a job template that asks for nothing but what is said here, and a survey."""
    template = asset(
        "t",
        "job_template",
        project={"name": "p", "organization": ORGANIZATION, "type": "project"},
        inventory={"name": "i", "organization": ORGANIZATION, "type": "inventory"},
        playbook="x.yml",
        limit="web",
        extra_vars="same: 1",
        survey_enabled=True,
        related={"survey_spec": {"name": "", "description": "", "spec": [QUESTION]}},
        **asked,
    )
    return {
        "organizations": [{"name": "Ops", "natural_key": ORGANIZATION}],
        "projects": [asset("p", "project", scm_type="git", scm_url="https://git.test/p.git")],
        "inventory": [asset("i", "inventory"), asset("other", "inventory")],
        "credentials": [
            {"name": "key", "organization": ORGANIZATION, "credential_type": MACHINE, "natural_key": KEY}
        ],
        "job_templates": [template],
        "workflow_job_templates": [
            asset("w", "workflow_job_template", related={"workflow_nodes": list(nodes)})
        ],
    }


def node(identifier: str, runs: str = "t", kind: str = "job_template", **fields: Any) -> dict[str, Any]:
    target = {"name": runs, "organization": ORGANIZATION, "type": kind}
    return {"identifier": identifier, "unified_job_template": target, **fields}


QUESTION = {"question_name": "Which?", "variable": "asked", "type": "text", "required": False, "default": ""}
MACHINE = {"name": "Machine", "kind": "ssh", "type": "credential_type"}
KEY = {"name": "key", "organization": ORGANIZATION, "credential_type": MACHINE, "type": "credential"}
PROMPTING: dict[str, Any] = {
    "limit": "db",
    "verbosity": 2,
    "inventory": {"name": "other", "organization": ORGANIZATION, "type": "inventory"},
    "extra_data": {"asked": "yes", "same": 1, "unasked": "s3cret"},
    "related": {"credentials": [KEY], "success_nodes": [{"identifier": "b"}]},
}


async def test_prompts_of_a_node_that_nobody_asks_for_are_left_out(importing: Importing) -> None:
    assets = flow(node("a", **PROMPTING), node("b", "p", "project", limit="db"), ask_verbosity_on_launch=True)
    trial = await importing(assets=assets, check=True)
    result = await importing(assets=assets)
    assert trial["left_out"] == result["left_out"]
    first, second = importing.stored("workflow_job_template", "w")["workflow_nodes"]
    assert (first.get("limit"), first.get("inventory"), first["related"]["credentials"]) == (None, None, [])
    assert (first["verbosity"], first["extra_data"]) == (2, {"asked": "yes", "same": 1})
    assert (first["related"]["success_nodes"], second["identifier"]) == ([{"identifier": "b"}], "b")
    words = "that it runs does not ask for it on launch, so AWX ignores it, too."
    for option in ("limit", "inventory", "credentials", "extra_data.unasked"):
        (reason,) = why(result, "workflow_job_template", "w", f"workflow_nodes: a: {option}")
        assert reason == f"the job template {words}"
    (reason,) = why(result, "workflow_job_template", "w", "workflow_nodes: b: limit")
    assert reason == f"the project {words}"
    assert len(result["left_out"]) == 5
    assert "s3cret" not in json.dumps(result)
    assert not (await importing(assets=assets))["changed"]


async def test_prompts_of_a_node_that_are_asked_for_are_imported(importing: Importing) -> None:
    asked = ("limit", "verbosity", "inventory", "variables", "credential")
    assets = flow(
        node("a", **PROMPTING),
        node("b", limit="web"),
        **{f"ask_{name}_on_launch": True for name in asked},
    )
    result = await importing(assets=assets)
    assert result["left_out"] == []
    first = importing.stored("workflow_job_template", "w")["workflow_nodes"][0]
    assert (first["limit"], first["extra_data"]) == ("db", PROMPTING["extra_data"])
    assert first["inventory"] is not None
    assert len(first["related"]["credentials"]) == 1


# -- container groups, without which jobs would run elsewhere --


async def test_templates_that_would_run_elsewhere_without_their_groups_are_left_out(
    importing: Importing,
) -> None:
    result = await importing(path=str(SAMPLE))
    assert why(result, "container_group", "prod") == [
        "its credential: credential 'production cluster' of organization 'Operations' was left out."
    ]
    elsewhere = (
        "can be had, and without them it would run elsewhere than in AWX, perhaps even on the controller."
    )
    assert why(result, "job_template", "deploy website") == [f"none of its instance_groups {elsewhere}"]
    assert why(result, "job_template", "roll back website") == [
        f"none of the instance_groups of organization 'Operations' {elsewhere}"
    ]
    assert why(result, "organization", "Operations", "instance_groups")[-1] == (
        "none of them can be had, so templates that run in them are left out."
    )


async def test_groups_that_were_stored_by_hand_are_kept_where_those_of_the_export_can_not_be_had(
    importing: Importing,
) -> None:
    await importing(path=str(SAMPLE), secrets=CLUSTER)
    objects = importing.store.objects
    objects.save("container_group", Wanted("mine", {"namespace": "jobs"}))
    for kind, name in (("organization", "Operations"), ("job_template", "deploy website")):
        objects.save(kind, Wanted(name, {"instance_groups": ["mine"]}))
    objects.delete("container_group", Wanted("prod"))
    objects.delete("credential", Wanted("production cluster"))
    result = await importing(path=str(SAMPLE))
    assert result["changed"] is False
    for kind, name in (("organization", "Operations"), ("job_template", "deploy website")):
        assert importing.stored(kind, name)["instance_groups"] == ["mine"]


async def test_template_runs_in_the_groups_of_its_inventory_where_its_organization_has_none(
    importing: Importing,
) -> None:
    await importing(path=str(SAMPLE))
    objects = importing.store.objects
    objects.save("container_group", Wanted("mine", {"namespace": "jobs"}))
    objects.save("inventory", Wanted("production", {"instance_groups": ["mine"]}))
    assert names((await importing(path=str(SAMPLE)))["created"]) == ["job_template roll back website"]


async def test_credentials_that_were_stored_by_hand_are_kept_where_they_take_no_other_s_place(
    importing: Importing,
) -> None:
    await importing(path=str(SAMPLE), secrets=CLUSTER)
    objects = importing.store.objects
    secret = {"inputs": {"vault_password": "x", "vault_id": "hand"}, "credential_type": "vault"}
    objects.save("credential", Wanted("by hand", secret))
    machine = {"inputs": {"username": "x"}, "credential_type": "machine"}
    objects.save("credential", Wanted("another machine", machine))
    given = {"credentials": ["another machine", "by hand"]}
    objects.save("job_template", Wanted("deploy website", given))
    await importing(path=str(SAMPLE))
    assert importing.stored("job_template", "deploy website")["credentials"] == ["web servers", "by hand"]
