# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login at the image's registry is found wherever the execution environment comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import ObjectStore, Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import read_definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Caller, Resolver

INPUTS = {"host": "quay.io", "username": "me", "password": "s3cret"}
INLINE = {"credential_type": "Container Registry", "inputs": INPUTS}
HOST = {"host": "https://127.0.0.1:1", "api_key": "t"}


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[ObjectStore]:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    store = JobStore.open(store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path))
    for name, kind, inputs in (("registry", "container_registry", INPUTS), ("me", "machine", {})):
        store.objects.save("credential", Wanted(name, {"credential_type": kind, "inputs": inputs}))
    environment = {"image": "quay.io/a", "credential": "registry"}
    store.objects.save("execution_environment", Wanted("private", environment))
    store.objects.save("container_group", Wanted("prod", {**HOST, "execution_environment": "private"}))
    yield store.objects
    store.close()


def registry(objects: ObjectStore, folder: Path, **params: Any) -> Registry | None:
    given = {"project": "project", "playbook": "site.yml", "inventory": "a,", **params}
    definition = read_definition(validated("container_group_job", given), objects, folder)
    resolver = Resolver(definition, objects, Caller(folder, {}, folder))
    place = resolver.place(definition.groups[0] if definition.groups else None, None)
    environment = place.launch.group.execution_environment
    assert environment is not None
    return environment.registry


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"container_group": "prod"}, id="stored group"),
        pytest.param({"container_group": HOST, "execution_environment": "private"}, id="stored"),
        pytest.param(
            {"container_group": HOST, "execution_environment": {"image": "a", "credential": "registry"}},
            id="stored credential",
        ),
        pytest.param(
            {"container_group": HOST, "execution_environment": {"image": "a", "credential": INLINE}},
            id="inline",
        ),
        pytest.param(
            {"container_group": {**HOST, "execution_environment": {"image": "a", "credential": INLINE}}},
            id="inline group",
        ),
    ],
)
def test_login_is_found(objects: ObjectStore, tmp_path: Path, params: dict[str, Any]) -> None:
    assert registry(objects, tmp_path, **params) == Registry("quay.io", "me", "s3cret")


def test_login_is_looked_up_in_the_organization_of_the_job_first(
    objects: ObjectStore, tmp_path: Path
) -> None:
    objects.save("organization", Wanted("mine"))
    other = {"credential_type": "container_registry", "inputs": {**INPUTS, "username": "us"}}
    objects.save("credential", Wanted("registry", {**other, "organization": "mine"}))
    environment = {"image": "a", "credential": "registry"}
    params: dict[str, Any] = {"container_group": HOST, "execution_environment": environment}
    found = registry(objects, tmp_path, **params, organization="mine")
    assert found == Registry("quay.io", "us", "s3cret")


def test_image_of_the_job_goes_without_the_login_of_the_group_s(objects: ObjectStore, tmp_path: Path) -> None:
    assert registry(objects, tmp_path, container_group="prod", execution_environment={"image": "a"}) is None


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        pytest.param("me", "execution_environment.credential: 'me' is of type machine", id="stored"),
        pytest.param(
            {**INLINE, "credential_type": "vault"},
            "execution_environment.credential is of type vault; it must be container_registry.",
            id="inline",
        ),
        pytest.param(INPUTS, "execution_environment.credential has no option host; it has", id="bare inputs"),
        pytest.param(
            {"credential_type": "container_registry", "inputs": {"host": "quay.io"}},
            "execution_environment.credential has no username",
            id="no login",
        ),
    ],
)
def test_credential_that_is_none_is_told(
    objects: ObjectStore, tmp_path: Path, credential: Any, words: str
) -> None:
    environment = {"image": "a", "credential": credential}
    with pytest.raises(Failure) as caught:
        registry(objects, tmp_path, container_group=HOST, execution_environment=environment)
    assert caught.value.message.startswith(words)
    assert "s3cret" not in caught.value.message
