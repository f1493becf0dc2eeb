# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in use can't be deleted, and the message names its users."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    KINDS,
    NODE_LISTS,
    NODE_REFERENCES,
    Listed,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    workflow_nodes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import ACTIVE, FINAL
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.controller.usage import OWNED
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import LINKS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    asked,
    connected,
    done,
    everything,
    new_job,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.little_objects import (
    LISTS,
    REFERENCES,
    make,
)
from sqlalchemy import insert, select, update

RUN = ("job_template", "project", "inventory_source", "workflow")
"""What a node can run: it has one of them."""
ORIGINS = sorted(name for name in KINDS if f"{name}_id" in jobs.c)


@pytest.fixture
def objects(store: JobStore) -> ObjectStore:
    return store.objects


def add_node(options: StoreOptions, workflow: int, identifier: str, **columns: Any) -> int:
    """A node of a workflow."""
    values = {
        "workflow_job_template_id": workflow,
        "identifier": identifier,
        "position": 0,
        "settings": {**{link: [] for link in LINKS}, "all_parents_must_converge": False},
    }
    with connected(options) as connection:
        key = connection.execute(insert(workflow_nodes).values({**values, **columns})).inserted_primary_key
        assert key is not None
        return int(key[0])


def users(objects: ObjectStore, kind: str, name: str) -> str:
    """What the refusal to delete an object says of its users."""
    with pytest.raises(Failure) as caught:
        objects.delete(kind, Wanted(name))
    assert caught.value.reason == "InvalidConfiguration"
    start = f"The {KINDS[kind].words} {name!r} can't be deleted: it is in use by "
    assert caught.value.message.startswith(start)
    assert caught.value.hint == "Take it out there first."
    return caught.value.message.removeprefix(start).removesuffix(".")


@pytest.mark.parametrize(
    ("kind", "option", "target"), [each for each in REFERENCES if each[:2] not in OWNED], ids=str
)
def test_reference(objects: ObjectStore, options: StoreOptions, kind: str, option: str, target: str) -> None:
    make(objects, target, "target")
    make(objects, kind, "user", **{option: "target"})
    before = everything(options)
    assert users(objects, target, "target") == f"{KINDS[kind].words} 'user'"
    assert everything(options) == before
    if option in KINDS[kind].scope:
        objects.delete(kind, Wanted("user"))
    else:
        objects.save(kind, Wanted("user", {option: ""}))
    assert objects.delete(target, Wanted("target")).changed


@pytest.mark.parametrize(("kind", "option", "listed"), LISTS, ids=lambda value: str(value)[:30])
def test_list(objects: ObjectStore, kind: str, option: str, listed: Listed) -> None:
    make(objects, listed.kind, "target")
    make(objects, kind, "user", **{option: "target" if listed.single else ["target"]})
    assert users(objects, listed.kind, "target") == f"{KINDS[kind].words} 'user'"
    objects.delete(kind, Wanted("user"))
    assert objects.delete(listed.kind, Wanted("target")).changed


@pytest.mark.parametrize(("option", "target"), NODE_REFERENCES.items(), ids=str)
def test_node_of_a_workflow(objects: ObjectStore, options: StoreOptions, option: str, target: str) -> None:
    number = make(objects, target, "target").id
    workflow = make(objects, "workflow_job_template", "w").id
    runs = {} if option in RUN else {"job_template_id": make(objects, "job_template", "runs").id}
    add_node(options, workflow, "n", **runs, **{f"{option}_id": number})
    assert users(objects, target, "target") == "node 'n' of workflow job template 'w'"
    objects.delete("workflow_job_template", Wanted("w"))
    assert objects.delete(target, Wanted("target")).changed


@pytest.mark.parametrize("option", sorted(NODE_LISTS))
def test_list_of_a_node(objects: ObjectStore, options: StoreOptions, option: str) -> None:
    listed = NODE_LISTS[option]
    number = make(objects, listed.kind, "target").id
    runs = make(objects, "job_template", "runs").id
    node = add_node(options, make(objects, "workflow_job_template", "w").id, "n", job_template_id=runs)
    done(options, insert(listed.table).values(owner_id=node, position=0, target_id=number))
    assert users(objects, listed.kind, "target") == "node 'n' of workflow job template 'w'"
    objects.delete("workflow_job_template", Wanted("w"))
    assert objects.delete(listed.kind, Wanted("target")).changed


@pytest.mark.parametrize("status", [*ACTIVE, *sorted(FINAL)])
@pytest.mark.parametrize("kind", ORIGINS)
def test_job(objects: ObjectStore, store: JobStore, options: StoreOptions, kind: str, status: str) -> None:
    number = make(objects, kind, "target").id
    job_id = store.create(new_job(name="site.yml"))
    column = f"{kind}_id"
    done(options, update(jobs).where(jobs.c.id == job_id).values({column: number, "status": status}))
    if status in ACTIVE:
        assert users(objects, kind, "target") == f"job {job_id} (site.yml), which has not ended"
    else:
        assert objects.delete(kind, Wanted("target")).changed
        assert [tuple(row) for row in asked(options, select(jobs.c.id, jobs.c[column]))] == [(job_id, None)]


# -- what goes together --


def test_sources_go_with_their_inventory(objects: ObjectStore) -> None:
    make(objects, "inventory", "i")
    make(objects, "inventory_source", "s", inventory="i")
    assert objects.delete("inventory", Wanted("i")).changed
    assert objects.list("inventory_source") == []


def test_source_that_is_in_use_keeps_its_inventory(objects: ObjectStore, options: StoreOptions) -> None:
    make(objects, "inventory", "i")
    source = make(objects, "inventory_source", "s", inventory="i").id
    workflow = make(objects, "workflow_job_template", "w").id
    add_node(options, workflow, "n", inventory_source_id=source)
    assert users(objects, "inventory", "i") == "node 'n' of workflow job template 'w'"


def test_workflow_that_is_a_node_of_itself(objects: ObjectStore, options: StoreOptions) -> None:
    workflow = make(objects, "workflow_job_template", "w").id
    add_node(options, workflow, "n", workflow_id=workflow)
    assert users(objects, "workflow_job_template", "w") == "node 'n' of workflow job template 'w'"


# -- the message --


def test_each_user_is_named_once(objects: ObjectStore, options: StoreOptions) -> None:
    make(objects, "credential", "c", credential_type="source_control")
    project = make(objects, "project", "p", credential="c").id
    make(objects, "job_template", "t", project="p", credentials=["c"])
    workflow = make(objects, "workflow_job_template", "w").id
    for identifier in ("n", "m"):
        add_node(options, workflow, identifier, project_id=project)
    assert users(objects, "credential", "c") == "project 'p', job template 't'"
    assert users(objects, "project", "p") == (
        "job template 't', node 'm' of workflow job template 'w', node 'n' of workflow job template 'w'"
    )


def test_many_users_are_counted(objects: ObjectStore) -> None:
    make(objects, "project", "p")
    for number in range(13):
        make(objects, "job_template", f"t{number:02}", project="p")
    named = users(objects, "project", "p")
    assert named == ", ".join(f"job template 't{number:02}'" for number in range(10)) + " and 3 more"
