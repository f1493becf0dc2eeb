# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes pull from a real registry that wants a login, with the credential of the execution environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from ansible_collections.jobpods.controller.tests.integration.registry import (
    PASSWORD,
    USER,
    push_small_image,
    running_registry,
)
from kubernetes import client

Options = dict[str, Any]


@pytest.fixture(scope="module")
def private(local: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that wants a login."""
    folder = tmp_path_factory.mktemp("private-registry")
    with running_registry(local / "cache" / "debian", folder, private=True) as address:
        yield address


@pytest.fixture(scope="module")
def image(private: str) -> str:
    """Reference of an image in it without Python: that a job says so proves that it was pulled."""
    return push_small_image(private, "ee/empty:1")


def login(host: str, **inputs: str) -> Options:
    return {
        "credential_type": "container_registry",
        "inputs": {"host": host, "username": USER, "password": PASSWORD, **inputs},
    }


def run(controller: Controller, job: Options, environment: Options) -> dict[str, Any]:
    """The facts of a job in an image that is always pulled; nothing may tell the password."""
    played = controller.play(
        [
            {
                "jobpods.controller.container_group_job": {
                    **job,
                    "execution_environment": {"pull": "always", **environment},
                }
            }
        ],
        "-vvv",
    )
    assert PASSWORD not in played.terminal + json.dumps(played.result)
    facts: dict[str, Any] = played.result["job"]
    return facts


def secrets(core: client.CoreV1Api, namespace: str) -> list[str]:
    return [
        str(each.metadata.name)
        for each in core.list_namespaced_secret(namespace).items
        if each.metadata and each.type == "kubernetes.io/dockerconfigjson"
    ]


def test_a_stored_execution_environment(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str, private: str, image: str
) -> None:
    environment = {"name": "private", "image": image, "pull": "always", "credential": "registry"}
    played = controller.play(
        [
            {"jobpods.controller.credential": {"name": "registry", **login(private)}},
            {"jobpods.controller.execution_environment": environment},
            {"jobpods.controller.container_group_job": {**job, "execution_environment": "private"}},
        ],
        "-vvv",
    )
    assert PASSWORD not in played.terminal
    facts = played.results["localhost"][-1]["job"]
    assert facts["failure"]["reason"] == "RunnerMissing", facts
    assert f"image pull secret {facts['pod_name']}-pull created" in " ".join(played.terminal.split())
    assert secrets(core, namespace) == []


def test_a_credential_given_inline(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str, private: str, image: str
) -> None:
    facts = run(controller, job, {"image": image, "credential": login(f"http://{private}/v2/")})
    assert facts["failure"]["reason"] == "RunnerMissing", facts
    assert secrets(core, namespace) == []


def test_pull_secrets_of_the_override_are_kept(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str, private: str, image: str
) -> None:
    metadata = client.V1ObjectMeta(name="mine")
    mine = client.V1Secret(
        metadata=metadata,
        type="kubernetes.io/dockerconfigjson",
        string_data={
            ".dockerconfigjson": json.dumps({"auths": {private: {"username": USER, "password": PASSWORD}}})
        },
    )
    core.create_namespaced_secret(namespace, mine)
    group = {
        **job["container_group"],
        "pod_spec_override": {"spec": {"imagePullSecrets": [{"name": "mine"}]}},
    }
    other = {"image": image, "credential": login("registry.invalid")}
    facts = run(controller, {**job, "container_group": group}, other)
    assert facts["failure"]["reason"] == "RunnerMissing", facts
    assert secrets(core, namespace) == ["mine"]


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"password": "wrong"}, id="wrong password"),
        pytest.param({"host": "registry.invalid"}, id="another registry"),
    ],
)
def test_a_wrong_login_ends_at_once(
    controller: Controller,
    job: Options,
    core: client.CoreV1Api,
    namespace: str,
    private: str,
    image: str,
    inputs: dict[str, str],
) -> None:
    credential = login(**{"host": private, **inputs})
    facts = run(controller, {**job, "image_pull_timeout": 3600}, {"image": image, "credential": credential})
    assert facts["failure"]["reason"] == "ImagePull", facts
    assert "401 Unauthorized" in facts["failure"]["message"]
    assert secrets(core, namespace) == []


def test_no_login_ends_at_once(controller: Controller, job: Options, image: str) -> None:
    facts = run(controller, {**job, "image_pull_timeout": 3600}, {"image": image})
    assert facts["failure"]["reason"] == "ImagePull", facts
    assert "401 Unauthorized" in facts["failure"]["message"]


def test_the_role_s_rights_are_enough(
    controller: Controller,
    job: Options,
    kubeconfig: Path,
    core: client.CoreV1Api,
    private: str,
    image: str,
    namespace: str,
) -> None:
    access = {"kubeconfig": str(kubeconfig), "namespace": namespace, "token": "bound", "token_seconds": 3600}

    def group(result: str) -> Options:
        reached = {"host": "host", "api_key": "token", "ssl_ca_cert": "ssl_ca_cert"}
        reached = {option: f"{{{{ {result}.{name} }}}}" for option, name in reached.items()}
        return {**reached, "namespace": namespace}

    def trial(result: str) -> Options:
        environment = {"image": image, "pull": "always", "credential": login(private)}
        options = {**job, "container_group": group(result), "execution_environment": environment}
        return {"jobpods.controller.container_group_job": options, "ignore_errors": True}

    played = controller.play(
        [
            {"jobpods.controller.cluster_access": access},
            trial("result_0"),
            {"jobpods.controller.cluster_access": {**access, "registry_secrets": True}},
            {  # the API server takes a moment to know of it
                "jobpods.controller.credential_test": group("result_2"),
                "until": "(result_3.checks | selectattr('check', 'eq', 'create secrets') | first).ok",
                "retries": 60,
                "delay": 1,
            },
            trial("result_2"),
        ]
    )
    _access, refused, _again, _tested, ran = played.results["localhost"]
    failure = refused["job"]["failure"]
    assert (failure["reason"], failure["details"]["resource"]) == ("Forbidden", "secrets"), refused
    assert "may not create secrets" in failure["message"]
    assert "resources: [secrets], verbs: [get, create, delete]" in failure["hint"]
    assert refused["job"]["pod_name"] == ""
    assert ran["job"]["failure"]["reason"] == "RunnerMissing", ran
    assert secrets(core, namespace) == []
