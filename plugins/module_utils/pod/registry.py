# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login at a container registry, and the image pull secret that takes it to the nodes."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

DOCKER_HUB = "https://index.docker.io/v1/"
"""What Docker Hub is called where logins are kept, whatever its images say."""
_DOCKER_HUB_HOSTS = frozenset(
    ("docker.io", "hub.docker.com", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
)
_ENDS = ("/v1", "/v2")
"""Ends of addresses that say how a registry is asked, not which one."""


@dataclass(frozen=True)
class Registry:
    """A login at a container registry.

    Attributes:
        host: as `registry_key` returned it.
        username: of the login.
        password: or token.
    """

    host: str
    username: str
    password: str = field(repr=False)

    @property
    def config(self) -> str:
        """The login as nodes read it: Docker's `config.json`, as a secret has it."""
        login = {"username": self.username, "password": self.password, "auth": self._auth}
        return _base64(json.dumps({"auths": {self.host: login}}))

    @property
    def _auth(self) -> str:
        return _base64(f"{self.username}:{self.password}")

    def redacted(self, text: str) -> str:
        """The words of somebody who knows the login, without it."""
        for secret in (self.config, self._auth, self.password):
            text = text.replace(secret, "***")
        return text

    def serves(self, image: str) -> bool:
        """Whether nodes use it to pull an image (Kubernetes: Images, interpretation of config.json)."""
        first, slash, rest = image.partition("/")
        if not slash or not (set(first) & set(".:") or first == "localhost"):
            first, rest = "docker.io", image
        if self.host == DOCKER_HUB:
            return first in _DOCKER_HUB_HOSTS
        host, _slash, path = self.host.partition("/")
        name, _colon, port = host.partition(":")
        of_image, _colon, image_port = first.partition(":")
        parts, image_parts = name.split("."), of_image.split(".")
        same = len(parts) == len(image_parts) and all(map(fnmatchcase, image_parts, parts))
        return same and port == image_port and rest.startswith(path)


def registry_key(host: str) -> str:
    """The key under which nodes look for the login at a registry; empty where `host` is no registry's.

    Args:
        host: its host name, with its port where it has one; or its URL, as Docker writes it.
    """
    text = host.strip()
    for scheme in ("https://", "http://"):
        text = text.removeprefix(scheme)
    text = text.rstrip("/")
    for end in _ENDS:
        text = text.removesuffix(end)
    name = text.partition("/")[0]
    if not name or "@" in text or ":/" in text or any(char.isspace() for char in text):
        return ""
    return DOCKER_HUB if name in _DOCKER_HUB_HOSTS else text


def pull_secret(
    registry: Registry, *, name: str, namespace: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The manifest of an image pull secret.

    Args:
        registry: the login in it.
        name: of the secret.
        namespace: the pod's.
        labels: the pod's, which tell whose it is.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": "kubernetes.io/dockerconfigjson",
        "immutable": True,
        "data": {".dockerconfigjson": registry.config},
    }


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
