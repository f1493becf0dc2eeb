# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of a namespace as an API server keeps them: versions, selectors, preconditions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import count
from typing import Any

from aiohttp import web
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    ApiServer,
    document,
    status,
)

PODS = "/api/v1/namespaces/jobs/pods"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NOW = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)

Document = dict[str, Any]


class PodTable:
    """Serves pods.

    Attributes:
        pods: by their names.
        server: which serves them; what a test changes there wins.
        allowed: what reviews of the user's rights say.
    """

    def __init__(self, server: ApiServer) -> None:
        self.pods: dict[str, Document] = {}
        self.server = server
        self.allowed = True
        self._numbers = count(1)
        server.on("GET", PODS, self._list)
        server.on("POST", PODS, self._create)
        server.on("POST", REVIEWS, self._review)

    def add(self, manifest: Document, *, age: float = 0, phase: str = "Running", **metadata: Any) -> Document:
        """Puts a pod there."""
        number = next(self._numbers)
        made: Document = json.loads(json.dumps(manifest))
        name = made["metadata"]["name"]
        made["metadata"] |= {
            "uid": f"u{number}",
            "resourceVersion": str(number),
            "creationTimestamp": (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z"),
            **metadata,
        }
        worker = {"name": "worker", "restartCount": 0, "state": {"running": {}}}
        made["status"] = {"phase": phase, "containerStatuses": [worker]}
        self.pods[name] = made
        path = f"{PODS}/{name}"
        self.server.on("GET", path, self._get)
        self.server.on("PATCH", path, self._patch)
        self.server.on("DELETE", path, self._delete)
        return made

    def named(self, request: web.Request) -> Document | None:
        return self.pods.get(request.path.rpartition("/")[2])

    async def _list(self, request: web.Request) -> web.StreamResponse:
        found = [
            pod
            for pod in self.pods.values()
            if all(_has(pod, term) for term in request.query["labelSelector"].split(","))
            and all(_is(pod, term) for term in request.query.get("fieldSelector", "").split(",") if term)
        ]
        assert "PartialObjectMetadataList" in request.headers["Accept"]
        headers = {"Date": format_datetime(NOW, usegmt=True)}
        items = {"items": [{"metadata": pod["metadata"]} for pod in found]}
        return web.json_response(items, headers=headers)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        manifest = await request.json()
        if manifest["metadata"]["name"] in self.pods:
            return await status(409, "it exists", "AlreadyExists")(request)
        return web.json_response(self.add(manifest), status=201)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        pod = self.named(request)
        return web.json_response(pod) if pod else await status(404, "none", "NotFound")(request)

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        pod, patch = self.named(request), await request.json()
        if pod is None:
            return await status(404, "none", "NotFound")(request)
        metadata = pod["metadata"]
        if (
            patch["metadata"].pop("resourceVersion", metadata["resourceVersion"])
            != metadata["resourceVersion"]
        ):
            return await status(409, "the object has been modified", "Conflict")(request)
        for key in ("labels", "annotations"):
            merged = {**(metadata.get(key) or {}), **patch["metadata"].pop(key, {})}
            metadata[key] = {name: value for name, value in merged.items() if value is not None}
        metadata |= {**patch["metadata"], "resourceVersion": str(next(self._numbers))}
        pod["spec"] |= patch.get("spec", {})
        return web.json_response(pod)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        pod, options = self.named(request), await request.json()
        if pod is None:
            return await status(404, "none", "NotFound")(request)
        if any(pod["metadata"][name] != value for name, value in options.get("preconditions", {}).items()):
            return await status(409, "Precondition failed", "Conflict")(request)
        del self.pods[pod["metadata"]["name"]]
        return web.json_response(pod)

    async def _review(self, request: web.Request) -> web.StreamResponse:
        return await document({"status": {"allowed": self.allowed}}, 201)(request)


def _has(pod: Document, term: str) -> bool:
    name, _equals, value = term.partition("=")
    labels = pod["metadata"].get("labels") or {}
    return name in labels and (not value or labels[name] == value)


def _is(pod: Document, term: str) -> bool:
    if "!=" in term:
        return bool(pod["status"]["phase"] != term.partition("!=")[2])
    return bool(pod["status"]["phase"] == term.partition("=")[2])
