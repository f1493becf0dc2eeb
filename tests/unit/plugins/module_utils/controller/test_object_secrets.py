# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of objects: sealed in the database, never shown, and never lost for an empty one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_secrets import HIDDEN
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    asked,
    done,
    everything,
    sqlite_only,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.little_objects import (
    SECRET,
    make,
    other_value,
)
from sqlalchemy import select, update

SEALED = [(kind.name, option) for kind in KINDS.values() for option in sorted(kind.sealed)]


@pytest.fixture
def objects(store: JobStore) -> ObjectStore:
    return store.objects


def question(kind: str = "password", **values: Any) -> dict[str, Any]:
    return {"variable": "token", "type": kind, **values}


def survey(*questions: Any) -> dict[str, Any]:
    return {"name": "", "spec": list(questions)}


# -- at rest --


@pytest.mark.parametrize(("kind", "option"), SEALED, ids=str)
def test_not_in_the_database(objects: ObjectStore, options: StoreOptions, kind: str, option: str) -> None:
    make(objects, kind, "it", **{option: other_value(objects, KINDS[kind], option)})
    objects.save(kind, Wanted("copy", copy_from="it"))
    text = repr(everything(options))
    assert "copy" in text
    assert SECRET not in text


@sqlite_only
def test_not_in_the_files(objects: ObjectStore, options: StoreOptions) -> None:
    for kind, option in SEALED:
        make(objects, kind, f"{kind} {option}", **{option: other_value(objects, KINDS[kind], option, option)})
    content = b"".join(file.read_bytes() for file in options.data_dir.iterdir())
    assert b"inventory content" in content
    assert SECRET.encode() not in content


def test_another_key_opens_nothing(objects: ObjectStore, options: StoreOptions, tmp_path: Path) -> None:
    make(objects, "credential", "c", inputs={"password": SECRET})
    foreign_options = store_options({"data_dir": str(tmp_path / "foreign")}, {}, tmp_path)
    foreign = JobStore.open(foreign_options)
    make(foreign.objects, "credential", "c", inputs={"password": "theirs"})
    foreign.close()
    credentials = KINDS["credential"].table
    ((sealed,),) = asked(foreign_options, select(credentials.c.sealed))
    done(options, update(credentials).values(sealed=sealed))
    for call in (
        lambda: objects.get("credential", "c", "credential"),
        lambda: objects.list("credential"),
        lambda: objects.save("credential", Wanted("c", {"description": "x"})),
        lambda: objects.save("credential", Wanted("d", copy_from="c")),
    ):
        with pytest.raises(Failure, match="does not open what is stored"):
            call()
    shutil.copy(foreign_options.secret_key_file, options.secret_key_file)
    with pytest.raises(Failure, match="not the one that this store's secrets are sealed with"):
        JobStore.open(options)


# -- shown --


@pytest.mark.parametrize(
    ("kind", "given", "shown"),
    [
        pytest.param(
            "credential",
            {"inputs": {"username": "ann", "password": SECRET, "unheard_of": SECRET}},
            {"inputs": {"username": "ann", "password": HIDDEN, "unheard_of": HIDDEN}},
            id="inputs",
        ),
        pytest.param(
            "credential",
            {"credential_type": "of_a_later_version", "inputs": {"username": SECRET}},
            {"inputs": {"username": HIDDEN}},
            id="inputs of an unknown type",
        ),
        pytest.param("container_group", {"api_key": SECRET}, {"api_key": HIDDEN}, id="api_key"),
        pytest.param("container_group", {}, {"api_key": "", "kubeconfig": ""}, id="no api_key"),
        pytest.param(
            "container_group", {"kubeconfig": {"users": [SECRET]}}, {"kubeconfig": HIDDEN}, id="kubeconfig"
        ),
        pytest.param(
            "container_group", {"kubeconfig": "/a/path"}, {"kubeconfig": "/a/path"}, id="kubeconfig's path"
        ),
        pytest.param(
            "job_template",
            {"survey_spec": survey(question(default=SECRET), question("text", default="x"), question())},
            {"survey_spec": survey(question(default=HIDDEN), question("text", default="x"), question())},
            id="survey's passwords",
        ),
        pytest.param("workflow_job_template", {}, {"survey_spec": {}}, id="no survey"),
        pytest.param(
            "job_template",
            {"survey_spec": {"spec": ["x"]}},
            {"survey_spec": {"spec": ["x"]}},
            id="no question",
        ),
    ],
)
def test_hidden_where_objects_are_shown(
    objects: ObjectStore, kind: str, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    make(objects, kind, "it", **given)
    edited = objects.save(kind, Wanted("it", {"description": "x"}))
    copied = objects.save(kind, Wanted("copy", copy_from="it"))
    listed = objects.list(kind, name="it")
    deleted = objects.delete(kind, Wanted("it"))
    for seen in (edited.before, edited.after, copied.after, *listed, deleted.before):
        assert {option: seen[option] for option in shown} == shown
        assert SECRET not in repr(seen)


def test_not_in_an_objects_own_text(objects: ObjectStore) -> None:
    assert SECRET not in repr(make(objects, "credential", "c", inputs={"password": SECRET}))


def test_change_of_a_secret_is_told(objects: ObjectStore) -> None:
    make(objects, "credential", "c", inputs={"password": SECRET})
    change = objects.save("credential", Wanted("c", {"inputs": {"password": "another"}}))
    assert (change.changed, change.options) == (True, ("inputs",))
    assert change.before["inputs"] == change.after["inputs"] == {"password": HIDDEN}


# -- what is shown, given back --


@pytest.mark.parametrize(
    ("kind", "stored", "given", "meant"),
    [
        pytest.param(
            "credential",
            {"inputs": {"username": "ann", "password": SECRET}},
            {"inputs": {"username": "bob", "password": HIDDEN}},
            {"inputs": {"username": "bob", "password": SECRET}},
            id="inputs",
        ),
        pytest.param(
            "container_group", {"api_key": SECRET}, {"api_key": HIDDEN}, {"api_key": SECRET}, id="key"
        ),
        pytest.param(
            "container_group",
            {"kubeconfig": {"users": [SECRET]}},
            {"kubeconfig": HIDDEN},
            {"kubeconfig": {"users": [SECRET]}},
            id="kubeconfig",
        ),
        pytest.param(
            "job_template",
            {"survey_spec": survey(question(default=SECRET))},
            {"survey_spec": survey({"variable": "new", "type": "text"}, question(default=HIDDEN, min=3))},
            {"survey_spec": survey({"variable": "new", "type": "text"}, question(default=SECRET, min=3))},
            id="survey",
        ),
        pytest.param(
            "job_template",
            {},
            {"extra_vars": {"a": HIDDEN}},
            {"extra_vars": {"a": HIDDEN}},
            id="no secret's place",
        ),
    ],
)
def test_hidden_stands_for_what_is_stored(
    objects: ObjectStore, kind: str, stored: dict[str, Any], given: dict[str, Any], meant: dict[str, Any]
) -> None:
    number = make(objects, kind, "it", **stored).id
    objects.save(kind, Wanted("it", given))
    assert {option: objects.by_id(kind, number).values[option] for option in meant} == meant
    assert not objects.save(kind, Wanted("it", given)).changed
    copied = objects.save(kind, Wanted("copy", given, copy_from="it"))
    assert copied.id is not None
    assert {option: objects.by_id(kind, copied.id).values[option] for option in meant} == meant


@pytest.mark.parametrize(
    ("kind", "given", "where"),
    [
        pytest.param("credential", {"inputs": {"password": HIDDEN}}, "inputs.password", id="inputs"),
        pytest.param("container_group", {"api_key": HIDDEN}, "api_key", id="api_key"),
        pytest.param(
            "job_template",
            {"survey_spec": survey(question(default=HIDDEN))},
            "survey_spec: the default of token",
            id="survey",
        ),
    ],
)
def test_hidden_never_becomes_the_secret(
    objects: ObjectStore, kind: str, given: dict[str, Any], where: str
) -> None:
    if kind != "credential":
        make(objects, kind, "it")
    wanted = Wanted("it", {"credential_type": "machine", **given} if kind == "credential" else given)
    with pytest.raises(Failure) as caught:
        objects.save(kind, wanted)
    assert caught.value.message == (
        f"{where} is $encrypted$, which stands for what is stored, but nothing is; give its value."
    )
