# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod that this very process runs in, as the owner of other pods: they go when it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import SERVICE_ACCOUNT
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


async def owner_reference(
    client: ClusterClient,
    namespace: str,
    host_name: str,
    *,
    service_account: Path = SERVICE_ACCOUNT,
) -> dict[str, Any] | None:
    """An entry of `ownerReferences` that names the pod that this process runs in.

    Only the connection of the pod's own service account is certain to lead to the pod's own cluster. Objects
    whose owner is in another cluster or namespace would be removed at once (Kubernetes: Owners and
    Dependents).

    Args:
        client: the cluster.
        namespace: of the objects to be owned.
        host_name: of this machine; a pod's is its name, unless its spec says otherwise.
        service_account: where Kubernetes puts a pod's service account.

    Returns:
        The entry; None where this is no pod, or another namespace's.

    Raises:
        Failure: the pod is not found, or may not be read.
        Unreachable: the API server gave no answer.
    """
    connection = client.connection
    if connection.token_file != str(service_account / "token") or connection.namespace != namespace:
        return None
    pod = await client.get_pod(namespace, host_name)
    if pod is None:
        words = f"There is no pod in namespace {namespace} that is called as this host, {host_name}."
        raise Failure("InvalidConfiguration", words)
    return {"apiVersion": "v1", "kind": "Pod", "name": host_name, "uid": str(pod["metadata"]["uid"])}
