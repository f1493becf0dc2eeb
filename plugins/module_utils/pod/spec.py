# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod of a job: AWX's default pod spec, the override merged over it, and what the controller forces."""

from __future__ import annotations

import copy
import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import compress

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

LABEL_PREFIX = "jobpods."
MANAGED_BY = {"app.kubernetes.io/managed-by": "jobpods"}
DEFAULT_IMAGE = "quay.io/ansible/awx-ee:latest"
PULL_POLICIES = {"always": "Always", "missing": "IfNotPresent", "never": "Never"}
DEADLINE_MARGIN = 120
"""Seconds that `activeDeadlineSeconds` leaves beyond all other limits: the last net, never the first."""

WORKER_NAME = "worker"
PRIVATE_DATA_DIR = "/runner"


@dataclass(frozen=True)
class ExecutionEnvironment:
    """The image a job's worker container runs, as AWX's execution environment.

    Attributes:
        image: reference of the container image.
        pull: `always`, `missing` or `never`; None leaves Kubernetes' default.
    """

    image: str
    pull: str | None = None


@dataclass(frozen=True)
class PodIdentity:
    """What names one attempt of one job, and finds its pod again.

    Attributes:
        job_id: the job's number in the store.
        job_uuid: distinguishes jobs of the same number in other stores.
        attempt: 1 for the first pod of the job.
        controller: the controller's host name.
    """

    job_id: int
    job_uuid: str
    attempt: int
    controller: str

    @property
    def pod_name(self) -> str:
        """`automation-job-<id>-<hash>`: a create sent twice meets its own pod (409), and makes no other."""
        digest = hashlib.sha256(f"{self.job_uuid} {self.attempt}".encode()).hexdigest()
        return f"automation-job-{self.job_id}-{digest[:10]}"

    @property
    def labels(self) -> dict[str, str]:
        """What finds the pod again: that it is ours, and whose."""
        return {
            **MANAGED_BY,
            f"{LABEL_PREFIX}job-id": str(self.job_id),
            f"{LABEL_PREFIX}job-uuid": self.job_uuid,
            f"{LABEL_PREFIX}attempt": str(self.attempt),
            f"{LABEL_PREFIX}controller": _label_value(self.controller),
        }


def default_pod_spec() -> dict[str, Any]:
    """AWX's default pod spec for container groups (docs: containers_instance_groups).

    Returns:
        A Pod manifest; the anti-affinity spreads job pods over nodes where it can.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "labels": dict(MANAGED_BY)},
        "spec": {
            "serviceAccountName": "default",
            "automountServiceAccountToken": False,
            "affinity": {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 100,
                            "podAffinityTerm": {
                                "labelSelector": {"matchLabels": dict(MANAGED_BY)},
                                "topologyKey": "kubernetes.io/hostname",
                            },
                        }
                    ]
                }
            },
            "containers": [
                {
                    "name": WORKER_NAME,
                    "image": DEFAULT_IMAGE,
                    "resources": {"requests": {"cpu": "250m", "memory": "100Mi"}},
                }
            ],
        },
    }


def parse_override(override: object) -> dict[str, Any]:
    """Reads a `pod_spec_override`: a mapping, or a mapping as YAML or JSON text.

    Args:
        override: what the user gave; None and blank text mean no override.

    Returns:
        The override as a mapping, never the argument itself.

    Raises:
        Failure: `InvalidConfiguration`, where it is anything else or no pod.
    """
    parsed: object = override
    if isinstance(override, str):
        try:
            parsed = yaml.safe_load(override)  # JSON is YAML
        except yaml.YAMLError as exc:
            words = " ".join(str(exc).split())
            raise _invalid(f"pod_spec_override is neither YAML nor JSON: {words}") from exc
    if parsed is None:
        return {}
    if not isinstance(parsed, Mapping):
        raise _invalid(f"pod_spec_override must be a mapping (a Pod), but it is a {type(parsed).__name__}")
    result: dict[str, Any] = json.loads(json.dumps(parsed, default=str))
    if result.get("kind", "Pod") != "Pod" or result.get("apiVersion", "v1") != "v1":
        raise _invalid(
            "pod_spec_override must be a Pod of apiVersion v1, but it is"
            f" {result.get('kind', 'Pod')!r} of {result.get('apiVersion', 'v1')!r}"
        )
    for field in ("metadata", "spec"):
        if not isinstance(result.get(field, {}), dict):
            raise _invalid(f"pod_spec_override: {field} must be a mapping")
    containers = result.get("spec", {}).get("containers", [{}])
    if not isinstance(containers, list) or not containers or not all(isinstance(c, dict) for c in containers):
        raise _invalid("pod_spec_override: spec.containers must be a list of one or more mappings")
    return result


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merges as AWX does: mappings recursively, everything else (lists, too) replaces.

    Ours is that an explicit null removes what the base has.

    Returns:
        A new mapping that shares nothing with its arguments.
    """
    result = copy.deepcopy(dict(base))
    for key, value in override.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            inner = result.get(key)
            result[key] = merge(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def worker_index(manifest: Mapping[str, Any]) -> int:
    """Index of the worker container: the one named `worker`, else the first."""
    names = [container.get("name") for container in manifest["spec"]["containers"]]
    return names.index(WORKER_NAME) if WORKER_NAME in names else 0


def worker_name(manifest: Mapping[str, Any]) -> str:
    """Name of the worker container of a final manifest."""
    return str(manifest["spec"]["containers"][worker_index(manifest)]["name"])


def pod_manifest(
    identity: PodIdentity,
    *,
    namespace: str,
    override: Mapping[str, Any],
    execution_environment: ExecutionEnvironment | None,
    supervisor_config: Mapping[str, Any],
    active_deadline: int | None,
) -> dict[str, Any]:
    """The manifest that is sent to the API server.

    Args:
        identity: names and labels of this attempt.
        namespace: where the pod is made.
        override: as `parse_override` returned it.
        execution_environment: wins over the override's image where given.
        supervisor_config: what the supervisor reads at its start; nothing secret.
        active_deadline: seconds for `activeDeadlineSeconds`; None sets none.

    Returns:
        A complete Pod manifest.

    Raises:
        Failure: `InvalidConfiguration`, where the merged spec has no container left.
    """
    manifest = merge(default_pod_spec(), override)
    if not manifest.get("spec", {}).get("containers"):
        raise _invalid("pod_spec_override removes spec.containers; a job needs its worker container")
    metadata = manifest.setdefault("metadata", {})
    metadata["name"] = identity.pod_name
    metadata.pop("generateName", None)
    metadata["namespace"] = namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), **identity.labels}
    metadata["annotations"] = {
        # A job can't be moved: keep the two common autoscalers from evicting it to save a node.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
        **(metadata.get("annotations") or {}),
    }
    spec = manifest["spec"]
    spec["restartPolicy"] = "Never"
    if active_deadline is not None:
        spec["activeDeadlineSeconds"] = active_deadline
    container = spec["containers"][worker_index(manifest)]
    container.setdefault("name", WORKER_NAME)
    container.setdefault("image", DEFAULT_IMAGE)
    if execution_environment is not None:
        container["image"] = execution_environment.image
        if execution_environment.pull is not None:
            container["imagePullPolicy"] = PULL_POLICIES[execution_environment.pull]
    container["args"] = supervisor_args(supervisor_config)
    container["stdin"] = True
    container["stdinOnce"] = False
    container["tty"] = False
    return manifest


@lru_cache(maxsize=1)
def _bootstrap() -> str:
    """The supervisor as an argument of python3: base64 has no `$`, which Kubernetes would rewrite in args."""
    source = (Path(__file__).parent / "supervisor.py").read_bytes()
    code = b64encode(compress(source, 9)).decode("ascii")
    return f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{code}')))"


def supervisor_args(config: Mapping[str, Any]) -> list[str]:
    """`args` of the worker container: the supervisor's source and its configuration."""
    return ["python3", "-c", _bootstrap(), b64encode(json.dumps(dict(config)).encode()).decode("ascii")]


def _label_value(text: str) -> str:
    """`text` cut and cleaned to a valid label value (Kubernetes: Labels and Selectors, syntax)."""
    cleaned = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in text)
    return cleaned[:63].strip("-_.")


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
