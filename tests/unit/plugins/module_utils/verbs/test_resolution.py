# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run, and where: stored objects become what they hold, and a group its cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import InventorySource
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import LIMITS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import read_definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import (
    Caller,
    Place,
    Resolver,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock

HOST = "https://k8s.test:6443"
OWN: dict[str, Any] = {"host": HOST, "api_key": "own-token"}
BEARER = {"host": "https://other.test:6443", "bearer_token": "stored-token", "verify_ssl": False}
ENVIRON = {"K8S_AUTH_HOST": "https://environ.test:6443", "K8S_AUTH_API_KEY": "environ-token"}
INLINE: dict[str, Any] = {"project": "project", "playbook": "site.yml", "inventory": "a,"}


class Scene(Stock):
    """A stock, and who launches there.

    Attributes:
        environ: the caller's environment variables.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environ: dict[str, str] = {}

    def resolver(self, *, check: bool = False, diff: bool = False, **params: Any) -> Resolver:
        given = validated("container_group_job", params)
        definition = read_definition(given, self.objects, self.folder)
        caller = Caller(self.folder, self.environ, self.folder, check, diff)
        return Resolver(definition, self.objects, caller)

    def place(self, group: str | None = None, **params: Any) -> Place:
        """Where and what a definition runs, in a stored group or the inline one."""
        number = None if group is None else self.objects.get("container_group", group, "group").id
        stored = "job_template" in params
        return self.resolver(**params).place(number, str(self.folder / "project") if stored else None)

    def refused(self, group: str | None = None, **params: Any) -> Failure:
        with pytest.raises(Failure) as caught:
            self.place(group, **params)
        return caught.value

    def image(self, group: str | None = None, **params: Any) -> str:
        return self.place(group, **params).launch.group.image


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


# --- connections -----


def test_stored_group_is_reached_by_its_credential(scene: Scene) -> None:
    scene.add("credential", "cluster", credential_type="kubernetes_bearer_token", inputs=BEARER)
    scene.add("container_group", "prod", credential="cluster", namespace="jobs")
    scene.environ = ENVIRON
    place = scene.place("prod", **INLINE)
    assert place.connection is not None
    assert (place.connection.host, place.connection.token) == (BEARER["host"], "stored-token")
    assert place.connection.source == f"the credential with the host {BEARER['host']}"
    assert place.launch.namespace == "jobs"


def test_stored_group_is_reached_by_its_own_options(scene: Scene) -> None:
    scene.add("container_group", "prod", **OWN)
    scene.environ = ENVIRON
    place = scene.place("prod", **INLINE)
    assert place.connection is not None
    assert (place.connection.host, place.connection.token) == (HOST, "own-token")
    assert place.launch.namespace == "default"


@pytest.mark.parametrize("stored", [True, False], ids=["stored group", "inline group"])
def test_group_without_a_connection_is_reached_by_the_environment_s(scene: Scene, stored: bool) -> None:
    scene.add("container_group", "prod")
    scene.environ = ENVIRON
    place = scene.place("prod" if stored else None, **INLINE)
    assert place.connection is not None
    assert place.connection.host == ENVIRON["K8S_AUTH_HOST"]


def test_inline_group_is_reached_by_its_own_options(scene: Scene) -> None:
    scene.environ = ENVIRON
    place = scene.place(**INLINE, container_group={**OWN, "namespace": "jobs"})
    assert place.connection is not None
    assert (place.connection.host, place.launch.namespace) == (HOST, "jobs")


def test_without_any_connection_nothing_runs_on_the_controller(scene: Scene) -> None:
    failure = scene.refused(**INLINE)
    assert failure.reason == "InvalidConfiguration"
    assert "connection" in failure.message


def test_connection_that_can_t_be_used_names_its_group(scene: Scene) -> None:
    scene.add("container_group", "prod", kubeconfig="gone")
    failure = scene.refused("prod", **INLINE)
    assert failure.message.startswith("The connection of container group 'prod': ")
    assert str(scene.folder / "gone") in failure.message


def test_controlplane_needs_no_connection(scene: Scene) -> None:
    place = scene.place("controlplane", **INLINE)
    assert place.connection is None
    assert place.launch.playbook == "site.yml"


def test_group_that_was_deleted_meanwhile(scene: Scene) -> None:
    number = scene.add("container_group", "prod", **OWN)
    resolver = scene.resolver(**INLINE)
    scene.objects.delete("container_group", Wanted("prod"))
    with pytest.raises(Failure, match=f"The container group with the id {number} was deleted"):
        resolver.place(number, None)


# --- options -----


def test_options_of_a_stored_group_are_the_pod_s(scene: Scene) -> None:
    override = {"metadata": {"namespace": "inner"}, "spec": {"priorityClassName": "high"}}
    limits = {name: 600 + number for number, name in enumerate(LIMITS)}
    limits["cluster_outage_timeout"] = 30
    scene.add("container_group", "prod", **OWN, pod_spec_override=override, **limits)
    launch = scene.place("prod", **INLINE).launch
    assert launch.group.pod_spec_override == override
    assert launch.namespace == "inner"
    assert {name: getattr(launch.group, name) for name in limits} == limits
    assert launch.group.warm is None


def test_warm_pods_of_a_stored_group_are_known_by_its_id(scene: Scene) -> None:
    scene.add("container_group", "prod", **OWN, warm_pods=2, warm_pod_ttl=60)
    warm = scene.place("prod", **INLINE).launch.group.warm
    assert warm is not None
    number = scene.store.objects.get("container_group", "prod", "group").id
    assert (warm.count, warm.ttl, warm.group) == (2, 60, str(number))


def test_limits_of_the_job_win_over_its_group_s_and_those_over_defaults(scene: Scene) -> None:
    scene.add("container_group", "prod", **OWN, pod_pending_timeout=600, image_pull_timeout=60)
    group = scene.place("prod", **INLINE, pod_pending_timeout=5).launch.group
    assert (group.pod_pending_timeout, group.image_pull_timeout) == (5, 60)
    assert group.cluster_outage_timeout == LIMITS["cluster_outage_timeout"]


@pytest.mark.parametrize(("check", "diff"), [(True, False), (False, True), (False, False)])
def test_check_and_diff_are_the_caller_s(scene: Scene, check: bool, diff: bool) -> None:
    number = scene.objects.get("container_group", "controlplane", "group").id
    launch = scene.resolver(check=check, diff=diff, **INLINE).place(number, None).launch
    assert (launch.check, launch.diff) == (check, diff)


def test_credentials_are_what_is_stored_now(scene: Scene) -> None:
    scene.add("credential", "key", credential_type="machine", inputs={"username": "ann", "password": "old"})
    vault = {"vault_password": "sesame", "vault_id": "prod"}
    scene.template(credentials=["key"], ask_credential_on_launch=True)
    given: dict[str, Any] = {
        "job_template": "deploy",
        "credentials": [{"credential_type": "Vault", "inputs": vault}],
    }
    resolver = scene.resolver(**given)
    scene.add("credential", "key", credential_type="machine", inputs={"username": "ann", "password": "new"})
    number = scene.objects.get("container_group", "controlplane", "group").id
    credentials = resolver.place(number, str(scene.folder / "project")).launch.credentials
    assert (credentials.machine.username, credentials.machine.password) == ("ann", "new")
    assert [(each.vault_id, each.vault_password) for each in credentials.vaults] == [("prod", "sesame")]
    assert resolver.vaults() == credentials.vaults


def test_credentials_that_a_job_can_t_have_together_are_refused(scene: Scene) -> None:
    scene.add("credential", "key", credential_type="machine")
    failure = scene.refused("controlplane", **INLINE, credentials=["key", "key"])
    assert failure.message == "credentials[1] is a second machine credential; a job takes one."


def test_stored_inventory_is_empty_until_it_is_known(scene: Scene) -> None:
    scene.template()
    number = scene.objects.get("container_group", "controlplane", "group").id
    resolver, folder = scene.resolver(job_template="deploy"), str(scene.folder / "project")
    assert resolver.place(number, folder).launch.inventory == InventorySource("content")
    known = InventorySource("content", content={"all": {"hosts": {"b": {}}}})
    assert resolver.place(number, folder, known).launch.inventory == known


def test_project_is_the_folder_that_it_is_given(scene: Scene) -> None:
    scene.template()
    revision = scene.folder / "revision"
    revision.mkdir()
    number = scene.objects.get("container_group", "controlplane", "group").id
    with pytest.raises(Failure) as caught:
        scene.resolver(job_template="deploy").place(number, str(revision))
    assert caught.value.reason == "PlaybookNotFound"
    (revision / "site.yml").write_text("[]")
    assert scene.resolver(job_template="deploy").place(number, str(revision)).launch.project == str(revision)


# --- execution environments -----

LEVELS = ("job", "template", "project", "organization", "inventory's organization", "group", "override")


def made_with(scene: Scene, *levels: str) -> str:
    """The image of a job for which these levels name one: it is called as the level."""

    def named(level: str) -> str:
        if level not in levels:
            return ""
        image = level.replace("'", "").replace(" ", "-")
        scene.add("execution_environment", f"of {level}", image=f"test/{image}")
        return f"of {level}"

    override = {"spec": {"containers": [{"name": "worker", "image": "test/override"}]}}
    scene.add("organization", "own", default_environment=named("organization"))
    scene.add("organization", "other", default_environment=named("inventory's organization"))
    scene.add(
        "project", "code", scm_type="manual", local_path="project", default_environment=named("project")
    )
    scene.add("inventory", "hosts", organization="other")
    scene.add(
        "container_group",
        "prod",
        **OWN,
        execution_environment=named("group"),
        pod_spec_override=override if "override" in levels else {},
    )
    scene.template(
        organization="own",
        execution_environment=named("template"),
        ask_execution_environment_on_launch=True,
    )
    given = {"execution_environment": named("job")} if "job" in levels else {}
    return scene.image("prod", job_template="deploy", **given).removeprefix("test/")


@pytest.mark.parametrize("level", range(len(LEVELS)), ids=LEVELS)
def test_execution_environment_is_that_of_the_first_level_that_names_one(scene: Scene, level: int) -> None:
    expected = LEVELS[level].replace("'", "").replace(" ", "-")
    assert made_with(scene, *LEVELS[level:]) == expected


def test_execution_environment_brings_its_pull_policy(scene: Scene) -> None:
    scene.add("container_group", "prod", **OWN)
    scene.add("execution_environment", "image", image="test/image", pull="never")
    environment = scene.place(
        "prod", **INLINE, execution_environment="image"
    ).launch.group.execution_environment
    assert environment is not None
    assert (environment.image, environment.pull) == ("test/image", "never")
    inline = scene.place("prod", **INLINE, execution_environment={"image": "test/b", "pull": "always"})
    assert inline.launch.group.execution_environment is not None
    assert inline.launch.group.execution_environment.pull == "always"


def test_execution_environment_of_an_inline_group(scene: Scene) -> None:
    scene.add("execution_environment", "image", image="test/image")
    group = {**OWN, "execution_environment": "image"}
    assert scene.image(**INLINE, container_group=group) == "test/image"
    assert scene.image(**INLINE, container_group=group, execution_environment={"image": "test/b"}) == "test/b"


def test_credential_of_a_registry_must_be_one(scene: Scene) -> None:
    scene.add("credential", "key", credential_type="machine")
    given = {"image": "test/image", "credential": "key"}
    outside: dict[str, Any] = {"container_group": OWN, "execution_environment": given}
    inside: dict[str, Any] = {"container_group": {**OWN, "execution_environment": given}}
    for options in (outside, inside):
        failure = scene.refused(**INLINE, **options)
        assert failure.message == (
            "execution_environment.credential: 'key' is of type machine; it must be container_registry."
        )
