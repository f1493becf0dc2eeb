# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module tells in a sentence what it did to an object, and shows no secret, also in a difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import (
    ProjectRevision,
    Revisions,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import registry
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_arguments import (
    OBJECT_ARGUMENTS,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock

SECRET, OTHER = "s3cret-value", "0ther-value"
HIDDEN = "$encrypted$"
KEY: dict[str, Any] = {"credential_type": "machine", "inputs": {"username": "ann", "password": SECRET}}


class Shelf(Stock):
    async def save(self, kind: str, name: str = "it", **options: Any) -> dict[str, Any]:
        """The result of an object's module."""
        result, _messages = await self.ask(kind, name=name, **options)
        assert result["failed"] is False
        return result

    async def info(self, kind: str, **options: Any) -> list[dict[str, Any]]:
        result, _messages = await self.ask("object_info", kind=kind, **options)
        assert (result["changed"], result["failed"]) == (False, False)
        found: list[dict[str, Any]] = result["objects"]
        return found


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.store.close()


def test_every_kind_has_its_module() -> None:
    assert OBJECT_ARGUMENTS.keys() == KINDS.keys()
    assert all(registry.verb(kind) for kind in KINDS)


async def test_object_is_made_changed_and_deleted_each_with_its_sentence(shelf: Shelf) -> None:
    made = await shelf.save("organization", description="first")
    assert (made["changed"], made["msg"]) == (True, "Organization 'it' was created.")
    assert (made["id"], made["name"]) == (shelf.objects.get("organization", "it", "name").id, "it")
    assert (made["object"]["id"], made["object"]["description"]) == (made["id"], "first")
    same = await shelf.save("organization", description="first")
    assert (same["changed"], same["msg"]) == (False, "Organization 'it' is as it should be.")
    changed = await shelf.save("organization", description="second", new_name="that")
    assert (changed["changed"], changed["name"]) == (True, "that")
    assert changed["msg"] == "Organization 'that' was changed: description, name."
    again = await shelf.save("organization", description="second", new_name="that")
    assert (again["changed"], again["id"]) == (False, made["id"])
    copy = await shelf.save("organization", "copy", copy_from="that")
    assert (copy["msg"], copy["object"]["description"]) == ("Organization 'copy' was created.", "second")
    gone = await shelf.save("organization", "that", state="absent")
    assert (gone["changed"], gone["msg"], gone["id"]) == (True, "Organization 'that' was deleted.", None)
    nothing = await shelf.save("organization", "that", state="absent")
    assert (nothing["changed"], nothing["msg"]) == (False, "Organization 'that' is not there.")


async def test_kind_of_two_words_is_named_by_both(shelf: Shelf) -> None:
    made = await shelf.save("execution_environment", image="quay.test/a")
    assert made["msg"] == "Execution environment 'it' was created."


async def test_check_mode_tells_what_would_be_and_does_nothing(shelf: Shelf) -> None:
    made = await shelf.save("organization", description="first", check=True)
    assert (made["changed"], made["msg"]) == (True, "Organization 'it' would be created.")
    assert (made["id"], made["object"]["id"], made["object"]["description"]) == (None, None, "first")
    assert shelf.objects.list("organization") == []
    number = (await shelf.save("organization", description="first"))["id"]
    changed = await shelf.save("organization", description="second", check=True)
    assert changed["msg"] == "Organization 'it' would be changed: description."
    assert (changed["id"], changed["object"]["description"]) == (number, "second")
    gone = await shelf.save("organization", state="absent", check=True)
    assert (gone["changed"], gone["msg"]) == (True, "Organization 'it' would be deleted.")
    assert (await shelf.save("organization", description="first", check=True))["changed"] is False
    assert shelf.values("organization", number)["description"] == "first"


async def test_check_mode_refuses_what_would_be_refused(shelf: Shelf) -> None:
    with pytest.raises(Failure, match="image is missing"):
        await shelf.save("execution_environment", check=True)
    shelf.template()
    with pytest.raises(Failure, match="is in use by job template 'deploy'"):
        await shelf.save("project", "code", state="absent", check=True)


async def test_difference_is_the_object_before_and_after(shelf: Shelf) -> None:
    made = await shelf.save("organization", description="first", diff=True)
    assert made["diff"] == {"before": {}, "after": made["object"]}
    changed = await shelf.save("organization", description="second", diff=True, check=True)
    assert changed["diff"]["before"] == made["object"]
    assert changed["diff"]["after"] == {**made["object"], "description": "second"}
    gone = await shelf.save("organization", state="absent", diff=True)
    assert gone["diff"] == {"before": made["object"], "after": {}}
    assert "diff" not in await shelf.save("organization")


@pytest.mark.parametrize(
    ("kind", "needed", "option", "before", "after"),
    [
        pytest.param(
            "credential",
            {"credential_type": "machine"},
            "inputs",
            {"username": "ann", "password": SECRET},
            {"username": "ann", "password": OTHER},
            id="password",
        ),
        pytest.param(
            "container_group",
            {"host": "https://127.0.0.1:1"},
            "api_key",
            SECRET,
            OTHER,
            id="token of a group",
        ),
        pytest.param(
            "workflow_job_template",
            {},
            "survey_spec",
            *(
                {
                    "spec": [
                        {
                            "question_name": "Word?",
                            "variable": "word",
                            "type": "password",
                            "required": True,
                            "default": default,
                        }
                    ]
                }
                for default in (SECRET, OTHER)
            ),
            id="default of a survey",
        ),
    ],
)
async def test_changed_secret_is_marked_in_the_difference_and_not_shown(
    shelf: Shelf, kind: str, needed: dict[str, Any], option: str, before: Any, after: Any
) -> None:
    made = await shelf.save(kind, **needed, **{option: before}, diff=True)
    assert HIDDEN in json.dumps(made["diff"]["after"][option])
    changed = await shelf.save(kind, **needed, **{option: after}, diff=True)
    assert changed["msg"].endswith(f"was changed: {option}.")
    assert changed["diff"]["after"][option] == "VALUE CHANGED"
    assert changed["diff"]["before"][option] == changed["object"][option] == made["object"][option]
    for told in (made, changed):
        assert SECRET not in json.dumps(told) and OTHER not in json.dumps(told)


async def test_change_beside_a_secret_is_shown_as_it_is(shelf: Shelf) -> None:
    await shelf.save("credential", **KEY)
    inputs = {**KEY["inputs"], "username": "bob"}
    changed = await shelf.save("credential", credential_type="machine", inputs=inputs, diff=True)
    assert changed["diff"]["after"]["inputs"] == {"username": "bob", "password": HIDDEN}


async def test_object_that_is_in_no_organization_refers_to_those_of_one(shelf: Shelf) -> None:
    for name in ("first", "second"):
        await shelf.save("organization", name)
        await shelf.save("inventory", "hosts", organization=name)
    made = await shelf.save(
        "inventory_source",
        "cloud",
        inventory="hosts",
        organization="second",
        source="ec2",
    )
    stored = shelf.values("inventory_source", made["id"])
    second = shelf.objects.get("organization", "second", "organization").id
    assert shelf.values("inventory", stored["inventory"])["organization"] == second


async def test_nodes_of_a_workflow_are_saved_with_it(shelf: Shelf) -> None:
    shelf.template()
    runs = {"name": "deploy", "type": "job_template"}
    nodes = [{"identifier": name, "unified_job_template": runs} for name in ("a", "b")]
    made = await shelf.save("workflow_job_template", workflow_nodes=nodes)
    assert [node["identifier"] for node in made["object"]["workflow_nodes"]] == ["a", "b"]
    same = await shelf.save("workflow_job_template", schema=nodes)
    assert same["changed"] is False
    fewer = await shelf.save("workflow_job_template", workflow_nodes=nodes[:1], destroy_current_nodes=True)
    assert [node["identifier"] for node in fewer["object"]["workflow_nodes"]] == ["a"]
    assert fewer["msg"] == "Workflow job template 'it' was changed: workflow_nodes."


# -- object_info --


async def test_objects_are_listed_by_name_without_secrets(shelf: Shelf) -> None:
    for name in ("b", "a"):
        await shelf.save("credential", name, **KEY)
    found = await shelf.info("credential")
    assert [each["name"] for each in found] == ["a", "b"]
    assert found[0]["inputs"] == {"username": "ann", "password": HIDDEN}
    assert SECRET not in json.dumps(found)


@pytest.mark.parametrize(
    ("kind", "options", "names"),
    [
        pytest.param("credential", {"name": "b"}, ["b"], id="name"),
        pytest.param("credential", {"organization": "first"}, ["a"], id="organization"),
        pytest.param("credential", {"filters": {"credential_type": "vault"}}, ["c"], id="column"),
        pytest.param("credential", {"filters": {"name": "gone"}}, [], id="none"),
        pytest.param("project", {"filters": {"scm_type": "manual"}}, ["code"], id="setting"),
        pytest.param("job_template", {"filters": {"project": "code"}}, ["deploy", "other"], id="reference"),
        pytest.param("job_template", {"filters": {"credentials": "b"}}, ["deploy"], id="list"),
        pytest.param("job_template", {"filters": {"credentials": "b", "forks": 9}}, [], id="two"),
    ],
)
async def test_objects_are_found_by_their_options(
    shelf: Shelf, kind: str, options: dict[str, Any], names: list[str]
) -> None:
    await shelf.save("organization", "first")
    await shelf.save("credential", "a", organization="first", **KEY)
    await shelf.save("credential", "b", **KEY)
    await shelf.save("credential", "c", credential_type="vault", inputs={"vault_password": SECRET})
    shelf.template(credentials=["b"], forks=3)
    shelf.template("other")
    assert [each["name"] for each in await shelf.info(kind, **options)] == names


async def test_container_group_shows_the_jobs_that_have_a_place_in_it(shelf: Shelf) -> None:
    group = shelf.add("container_group", "prod", max_concurrent_jobs=3)
    shelf.add("container_group", "other")
    jobs = []
    for number in range(5):
        columns = {"candidates": [group], "task_impact": number, "allow_simultaneous": True}
        job = NewJob(f"{number}" * 32, "job", f"job {number}", True, f"node{number % 2}", columns=columns)
        jobs.append(shelf.store.create(job))
        lease = shelf.store.claim(jobs[-1], "here")
        shelf.store.place(jobs[-1], lease, 60)
        if number == 0:
            shelf.store.finish(jobs[-1], lease, status="successful")
    other, prod = (each for each in await shelf.info("container_group") if each["name"] != "controlplane")
    assert [job["id"] for job in prod["jobs"]] == jobs[1:4]
    assert (prod["jobs_running"], prod["consumed_forks"]) == (3, 1 + 2 + 3)
    assert prod["controller_nodes"] == ["node0", "node1"]
    assert (other["jobs_running"], other["consumed_forks"], other["jobs"]) == (0, 0, [])


@pytest.mark.parametrize("option", ["colour", "inputs", "id"])
async def test_option_that_can_t_be_searched_for_is_told(shelf: Shelf, option: str) -> None:
    with pytest.raises(Failure) as caught:
        await shelf.info("credential", filters={option: SECRET})
    assert caught.value.message == (
        f"filters: credential has no {option!r} to search for; it has credential_type, description, name,"
        " organization."
    )


# -- what lies beside the store --


@pytest.fixture
def brought(shelf: Shelf) -> ProjectRevision:
    """What an update of the project `it` has brought."""
    number = shelf.add("project", "it", scm_type="git", scm_url="https://git.test/a.git")
    revisions = Revisions(shelf.folder / "store" / "projects" / str(number))
    revisions.prepare()
    revisions.path("a").mkdir()
    revisions.use("a")
    return ProjectRevision(revisions.path("a"), "a")


async def test_what_a_deleted_project_has_brought_goes_with_it(
    shelf: Shelf, brought: ProjectRevision
) -> None:
    assert (await shelf.save("project", state="absent", check=True))["changed"]
    assert brought.folder.exists()
    assert (await shelf.save("project", state="absent"))["changed"]
    assert list((shelf.folder / "store" / "projects").iterdir()) == []
    assert not (await shelf.save("project", state="absent"))["changed"]


async def test_what_is_still_read_of_a_deleted_project_is_told(
    shelf: Shelf, brought: ProjectRevision
) -> None:
    with brought.held():
        result, messages = await shelf.ask("project", name="it", state="absent")
        assert brought.folder.exists()
    assert result["changed"]
    folder = brought.folder.parent.parent
    assert [message["text"] for message in messages] == [
        f"{folder} is still in use; cleanup_jobs removes it later"
    ]


async def test_what_can_t_be_removed_of_a_deleted_project_is_told(
    shelf: Shelf, brought: ProjectRevision
) -> None:
    folder = brought.folder.parent.parent
    (folder / "lock").mkdir()
    result, messages = await shelf.ask("project", name="it", state="absent")
    assert result["changed"]
    (message,) = messages
    assert (message["type"], message["text"]) == (
        "warning",
        f"the folder of project 'it', {folder}, can't be removed: Is a directory",
    )


async def test_folder_of_a_manual_project_stays(shelf: Shelf) -> None:
    shelf.template()
    await shelf.save("job_template", "deploy", state="absent")
    await shelf.save("project", "code", state="absent")
    assert (shelf.folder / "project" / "site.yml").exists()
