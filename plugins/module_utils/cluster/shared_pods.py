# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests about pods that other controllers work on at the same time: each says what it takes them to be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import Permission
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Request

Document = dict[str, Any]

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""A list without specs and statuses, which are most of a pod."""
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def list_metadata(
    client: ClusterClient, namespace: str, label_selector: str, field_selector: str = ""
) -> tuple[list[Document], float]:
    """The metadata of pods.

    Args:
        client: the cluster.
        namespace: the pods'.
        label_selector: what labels they have.
        field_selector: what fields, for example their phase.

    Returns:
        The metadata of each, and the API server's time in seconds, as `created` tells it, too.
    """
    params = {
        "labelSelector": label_selector,
        **({"fieldSelector": field_selector} if field_selector else {}),
    }
    found, now = await _list(client, namespace, params, METADATA)
    return [item["metadata"] for item in found], now


async def list_whole(
    client: ClusterClient, namespace: str, label_selector: str
) -> tuple[list[Document], float]:
    """The same with the pods' specs and statuses."""
    return await _list(client, namespace, {"labelSelector": label_selector}, "application/json")


async def _list(
    client: ClusterClient, namespace: str, selector: Mapping[str, str], accept: str
) -> tuple[list[Document], float]:
    pages = [page async for page in client.pages("pods", namespace, selector, accept)]
    return [item for items, _date in pages for item in items], _moment(pages[-1][1])


def created(metadata: Mapping[str, Any]) -> float:
    """When an object was made, by the API server's clock, in seconds."""
    return datetime.fromisoformat(str(metadata["creationTimestamp"]).replace("Z", "+00:00")).timestamp()


async def change_pod(client: ClusterClient, namespace: str, name: str, patch: Document) -> Document | None:
    """Merges a patch into a pod; one with `metadata.resourceVersion` only into that version of it.

    Returns:
        The pod as it is then; None where it is gone, or another version.
    """
    path = f"{_path(namespace)}/{quote(name, safe='')}"
    request = Request(
        "PATCH",
        path,
        "patch",
        "pods",
        namespace,
        {"fieldManager": "jobpods"},
        patch,
        "application/merge-patch+json",
        conflict_answers=True,
    )
    answer = await client.ask(request, accept={404, 409})
    return answer.document() if answer.status < 300 else None


async def delete_version(client: ClusterClient, namespace: str, metadata: Mapping[str, Any]) -> bool:
    """Deletes a pod at once, if it is still the version that was seen.

    Returns:
        Whether it was.
    """
    version = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "preconditions": version,
    }
    path = f"{_path(namespace)}/{quote(str(metadata['name']), safe='')}"
    request = Request("DELETE", path, "delete", "pods", namespace, body=body, conflict_answers=True)
    return (await client.ask(request, accept={404, 409})).status < 300


async def is_allowed(client: ClusterClient, permission: Permission, namespace: str) -> bool:
    """Whether the connection's user has a permission; also where the API server does not say."""
    request = Request(
        "POST",
        _REVIEWS,
        "create",
        "selfsubjectaccessreviews",
        body=permission.review(namespace),
    )
    status = (await client.ask(request, accept={403, 404})).document().get("status")
    return not isinstance(status, dict) or status.get("allowed") is not False


def _moment(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):  # a proxy has taken it out
        return time.time()


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
