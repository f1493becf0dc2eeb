# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that keeps objects, with server-side apply, deletion and dry runs, as far as we use them."""

from __future__ import annotations

import base64
import copy
import itertools
import json
from typing import Any

from aiohttp import web
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    status,
)

Document = dict[str, Any]
BASES = ("/api/v1", "/apis/rbac.authorization.k8s.io/v1", "/apis/apps/v1", "/apis/batch/v1")
TOKEN = SENT[::-1]


class KeptObjects:
    """Answers for an `ApiServer`.

    Attributes:
        objects: what there is, by path.
        tokens: how many bound tokens were made.
        looks_left: how often an object that is being deleted will be seen, by path.
    """

    def __init__(self, server: ApiServer) -> None:
        self.objects: dict[str, Document] = {}
        self.tokens = 0
        self.looks_left: dict[str, int] = {}
        self._numbers = itertools.count(1)
        server._answer = self._answer  # type: ignore[method-assign]

    def put(self, path: str, kind: str, **fields: Any) -> None:
        """Has an object there that somebody else has made."""
        parts = path.split("/")
        metadata = {"name": parts[-1], **fields.pop("metadata", {})}
        self.objects[path] = {"kind": kind, "metadata": self._stamped(metadata), **fields}

    def names(self) -> list[str]:
        return sorted(f"{found['kind']} {found['metadata']['name']}" for found in self.objects.values())

    def _stamped(self, metadata: Document) -> Document:
        number = next(self._numbers)
        return {"uid": f"u{number}", "resourceVersion": str(number), **metadata}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else {}
        path = request.path
        if request.method == "POST" and path.endswith("/token"):
            self.tokens += 1
            seconds = body["spec"]["expirationSeconds"]
            claims = base64.urlsafe_b64encode(json.dumps({"exp": 1800000000 + seconds}).encode()).decode()
            return web.json_response({"status": {"token": f"bound{self.tokens}.{claims}.c"}}, status=201)
        if request.method == "PATCH":
            assert request.headers["Content-Type"] == "application/apply-patch+yaml"
            assert request.query["fieldManager"] == "jobpods"
            return await self._apply(request, path, body)
        if request.method == "DELETE":
            return await self._delete(request, path, body)
        if path in self.looks_left:
            self.looks_left[path] -= 1
            if self.looks_left[path] < 0:
                self.objects.pop(path, None)
        found = self.objects.get(path)
        if found is not None:
            return web.json_response(found)
        if path.split("/")[-1] in ("roles", "rolebindings") or path.split("/")[-2] == self._namespace(path):
            items = [
                {key: value for key, value in each.items() if key != "kind"}
                for name, each in self.objects.items()
                if name.rpartition("/")[0] == path
            ]
            return web.json_response({"kind": "List", "items": items})
        return await status(404, "not found", "NotFound", {"name": path.split("/")[-1]})(request)

    @staticmethod
    def _namespace(path: str) -> str:
        parts = path.split("/")
        return parts[parts.index("namespaces") + 1]

    async def _apply(self, request: web.Request, path: str, body: Document) -> web.StreamResponse:
        namespace = f"/api/v1/namespaces/{self._namespace(path)}"
        if path != namespace and namespace not in self.objects:
            missing = {"name": self._namespace(path), "kind": "namespaces"}
            return await status(404, "namespaces not found", "NotFound", missing)(request)
        before = self.objects.get(path)
        after = copy.deepcopy(body)
        if before is None:
            after["metadata"] = self._stamped(after["metadata"])
        else:
            # What others have set, but for what the patch says.
            after = {**before, **after, "metadata": {**before["metadata"], **after["metadata"]}}
            if {**before} != after:
                after["metadata"]["resourceVersion"] = str(next(self._numbers))
        if request.query.get("dryRun") != "All":
            self.objects[path] = after
            if path == namespace:
                self.put(f"{path}/serviceaccounts/default", "ServiceAccount")
                self.put(f"{path}/configmaps/kube-root-ca.crt", "ConfigMap")
            if body["kind"] == "Secret":
                after["data"] = {"token": base64.b64encode(TOKEN.encode()).decode()}
        return web.json_response(after, status=201 if before is None else 200)

    async def _delete(self, request: web.Request, path: str, body: Document) -> web.StreamResponse:
        found = self.objects.get(path)
        if found is None:
            return await status(404, "not found", "NotFound")(request)
        assert body["preconditions"] == {"uid": found["metadata"]["uid"]}
        # As the API server does: beside a body, the query counts for nothing.
        if body.get("dryRun") != ["All"]:
            for name in [name for name in self.objects if name == path or name.startswith(f"{path}/")]:
                del self.objects[name]
            rbac = path.replace("/api/v1", BASES[1])
            for name in [name for name in self.objects if name.startswith(f"{rbac}/")]:
                del self.objects[name]
        return web.json_response(found)
