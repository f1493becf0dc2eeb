# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that give a service account what jobs need in a namespace, for Kubernetes and OpenShift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

LABEL = {"app.kubernetes.io/managed-by": "jobpods"}
"""On everything that was made here, so that nothing else is ever changed or deleted."""

_RBAC = "rbac.authorization.k8s.io"
_RULES = (
    # AWX's documentation asks for these (Container Groups: containergroup-sa.yml).
    ("pods", ("get", "list", "watch", "create", "update", "patch", "delete")),
    ("pods/log", ("get",)),
    ("pods/attach", ("get", "list", "watch", "create")),
    # With these, failures tell more.
    ("events", ("get", "list", "watch")),
)
_REGISTRY_RULE = ("secrets", ("get", "create", "delete"))


def namespace_object(namespace: str) -> Document:
    """The namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": dict(LABEL)}}


def access_objects(namespace: str, account: str, *, registry_secrets: bool) -> list[Document]:
    """Service account, Role and RoleBinding, in the order in which they are made.

    Args:
        namespace: where they are.
        account: their name.
        registry_secrets: whether jobs may have image pull secrets of their own, for private registries.
    """
    metadata = {"name": account, "namespace": namespace, "labels": dict(LABEL)}
    rules = (*_RULES, _REGISTRY_RULE) if registry_secrets else _RULES
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [
                {"apiGroups": [""], "resources": [resource], "verbs": list(verbs)}
                for resource, verbs in rules
            ],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]


def token_secret(namespace: str, account: str) -> Document:
    """The secret that Kubernetes puts a long-lived token into."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"{account}-token",
            "namespace": namespace,
            "labels": dict(LABEL),
            "annotations": {"kubernetes.io/service-account.name": account},
        },
        "type": "kubernetes.io/service-account-token",
    }


def is_ours(found: Mapping[str, Any]) -> bool:
    """Whether an object was made here."""
    labels = (found.get("metadata") or {}).get("labels") or {}
    return all(labels.get(name) == value for name, value in LABEL.items())


_OWN_ACCOUNTS = {"default", "builder", "deployer"}
_OWN_CONFIG_MAPS = {"kube-root-ca.crt", "openshift-service-ca.crt"}
_OWN_SECRET_TYPES = {"kubernetes.io/service-account-token", "kubernetes.io/dockercfg"}


def comes_with_namespace(found: Mapping[str, Any]) -> bool:
    """Whether the cluster itself puts such an object into each namespace (OpenShift's included)."""
    kind, name = found["kind"], found["metadata"]["name"]
    if kind == "ConfigMap":
        return name in _OWN_CONFIG_MAPS
    if kind == "ServiceAccount":
        return name in _OWN_ACCOUNTS
    owner = (found["metadata"].get("annotations") or {}).get("kubernetes.io/service-account.name")
    return kind == "Secret" and found.get("type") in _OWN_SECRET_TYPES and owner in _OWN_ACCOUNTS


def shown(found: Mapping[str, Any] | None) -> Document:
    """An object without what the API server adds by itself, and without a secret's values; for comparing."""
    if found is None:
        return {}
    added = {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
    metadata = {key: value for key, value in found["metadata"].items() if key not in added}
    rest = {key: value for key, value in found.items() if key not in ("data", "metadata", "status")}
    return {**rest, "metadata": metadata}
