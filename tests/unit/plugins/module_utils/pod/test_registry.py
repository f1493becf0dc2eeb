# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's login gets to the nodes under the key that they look for, and nowhere else."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import (
    DOCKER_HUB,
    Registry,
    pull_secret,
    registry_key,
)

PASSWORD = "s3cret:value"  # noqa: S105 - that is what is looked for


def login(host: str) -> Registry:
    return Registry(registry_key(host), "me", PASSWORD)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        pytest.param("quay.io", "quay.io", id="name"),
        pytest.param(" quay.io/ ", "quay.io", id="blanks and slash"),
        pytest.param("registry.test:5000", "registry.test:5000", id="port"),
        pytest.param("https://registry.test:5000", "registry.test:5000", id="https"),
        pytest.param("http://localhost:5000/", "localhost:5000", id="http"),
        pytest.param("https://registry.test/v2/", "registry.test", id="v2"),
        pytest.param("registry.test/group/project", "registry.test/group/project", id="path"),
        pytest.param("*.example.com", "*.example.com", id="pattern"),
        pytest.param("https://index.docker.io/v1/", DOCKER_HUB, id="Docker Hub as Docker calls it"),
        pytest.param("docker.io", DOCKER_HUB, id="Docker Hub as images call it"),
        pytest.param("registry-1.docker.io", DOCKER_HUB, id="Docker Hub's server"),
        pytest.param("hub.docker.com", DOCKER_HUB, id="Docker Hub's site"),
        pytest.param("", "", id="nothing"),
        pytest.param("https://", "", id="only a scheme"),
        pytest.param("oci://quay.io", "", id="another scheme"),
        pytest.param("https://me:pw@quay.io", "", id="a login in it"),
        pytest.param("quay io", "", id="blank"),
    ],
)
def test_nodes_look_under_one_key(host: str, key: str) -> None:
    assert registry_key(host) == key


@pytest.mark.parametrize(
    ("host", "image", "serves"),
    [
        pytest.param("quay.io", "quay.io/ansible/awx-ee:latest", True, id="same"),
        pytest.param("quay.io", "ghcr.io/ansible/awx-ee:latest", False, id="another"),
        pytest.param("registry.test", "registry.test:5000/a", False, id="no port"),
        pytest.param("registry.test:5000", "registry.test:5000/a@sha256:00", True, id="port"),
        pytest.param("localhost:5000", "localhost:5000/a:1", True, id="localhost"),
        pytest.param("registry.test/group", "registry.test/group/a:1", True, id="path"),
        pytest.param("registry.test/group", "registry.test/other/a:1", False, id="another path"),
        pytest.param("*.example.com", "eu.example.com/a", True, id="pattern"),
        pytest.param("*.example.com", "a.eu.example.com/a", False, id="pattern of one part"),
        pytest.param("docker.io", "busybox", True, id="Docker Hub's own"),
        pytest.param("docker.io", "me/image:1", True, id="Docker Hub's user"),
        pytest.param("docker.io", "docker.io/me/image:1", True, id="Docker Hub by name"),
        pytest.param("docker.io", "quay.io/me/image:1", False, id="not Docker Hub"),
        pytest.param("quay.io", "me/image:1", False, id="Docker Hub, but another login"),
    ],
)
def test_login_is_for_the_images_of_its_registry(host: str, image: str, serves: bool) -> None:
    assert login(host).serves(image) is serves


def test_secret_is_what_nodes_read() -> None:
    labels = {"jobpods.job-id": "12"}
    made = pull_secret(login("docker.io"), name="job-12-pull", namespace="jobs", labels=labels)
    assert made["metadata"] == {"name": "job-12-pull", "namespace": "jobs", "labels": labels}
    assert (made["kind"], made["type"]) == ("Secret", "kubernetes.io/dockerconfigjson")
    (config,) = made["data"].values()
    (entry,) = json.loads(base64.b64decode(config))["auths"].items()
    auth = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert entry == (DOCKER_HUB, {"username": "me", "password": PASSWORD, "auth": auth})


def test_password_is_not_shown() -> None:
    registry = login("quay.io")
    assert PASSWORD not in repr(registry)
    auth = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert registry.redacted(f"{PASSWORD} {auth} {registry.config} me quay.io") == "*** *** *** me quay.io"
