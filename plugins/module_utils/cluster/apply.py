# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes, changes and deletes objects other than pods, by server-side apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Request

Document = dict[str, Any]

FIELD_MANAGER = "jobpods"
_CORE, _APPS, _BATCH = "/api/v1", "/apis/apps/v1", "/apis/batch/v1"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_RESOURCES = {
    "ConfigMap": (_CORE, "configmaps"),
    "CronJob": (_BATCH, "cronjobs"),
    "Deployment": (_APPS, "deployments"),
    "Namespace": (_CORE, "namespaces"),
    "PersistentVolumeClaim": (_CORE, "persistentvolumeclaims"),
    "Pod": (_CORE, "pods"),
    "Role": (_RBAC, "roles"),
    "RoleBinding": (_RBAC, "rolebindings"),
    "Secret": (_CORE, "secrets"),
    "Service": (_CORE, "services"),
    "ServiceAccount": (_CORE, "serviceaccounts"),
    "StatefulSet": (_APPS, "statefulsets"),
}
_LISTED = 500


class Applier:
    """Works on objects of one cluster.

    Attributes:
        dry_run: the API server goes through all changes without keeping them.
    """

    def __init__(self, client: ClusterClient, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self._client = client

    async def get(self, wanted: Mapping[str, Any]) -> Document | None:
        """The object of the same kind, name and namespace, or None."""
        answer = await self._client.ask(self._request("GET", "get", wanted), accept={404})
        return None if answer.status == 404 else answer.document()

    async def apply(self, wanted: Mapping[str, Any]) -> Document:
        """Makes the object, or makes it have the fields that are given; returns it as it is then.

        Fields that somebody else has set to another value are taken over.
        """
        params = {"fieldManager": FIELD_MANAGER, "force": "true"}
        if self.dry_run:
            params["dryRun"] = "All"
        request = self._request(
            "PATCH", "patch", wanted, params, wanted, content_type="application/apply-patch+yaml"
        )
        return (await self._client.ask(request)).document()

    async def delete(self, found: Mapping[str, Any]) -> None:
        """Deletes an object that `get` returned; one that is gone, or has come anew, is no error."""
        # The API server reads no parameters beside a body, not even that it is a dry run.
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": found["metadata"]["uid"]},
            **({"dryRun": ["All"]} if self.dry_run else {}),
        }
        request = self._request("DELETE", "delete", found, body=options)
        await self._client.ask(request, accept={404, 409})

    async def list(self, kind: str, namespace: str) -> list[Document]:
        """Objects of a kind in a namespace; some of them where there are very many."""
        any_object = {"kind": kind, "metadata": {"namespace": namespace, "name": ""}}
        request = self._request("GET", "list", any_object, {"limit": str(_LISTED)})
        found = (await self._client.ask(request)).document().get("items") or []
        return [{**item, "kind": kind} for item in found]

    async def request_token(self, namespace: str, account: str, seconds: int) -> Document:
        """Has a token made for a service account; returns the answer's `status`, with `token` and its end."""
        path = f"{_CORE}/namespaces/{quote(namespace)}/serviceaccounts/{quote(account)}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        request = Request("POST", path, "create", "serviceaccounts/token", namespace, body=body)
        status: Document = (await self._client.ask(request)).document()["status"]
        return status

    def _request(
        self,
        method: str,
        verb: str,
        wanted: Mapping[str, Any],
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
    ) -> Request:
        base, resource = _RESOURCES[wanted["kind"]]
        namespace, name = wanted["metadata"].get("namespace"), wanted["metadata"]["name"]
        parts = ("namespaces", namespace, resource, name) if namespace else (resource, name)
        path = "/".join((base, *(quote(part, safe="") for part in parts if part)))
        return Request(method, path, verb, resource, namespace, params or {}, body, content_type)
