# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod of a job: AWX's default pod spec, the override merged over it, and what the controller forces."""

from __future__ import annotations

import copy
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from zlib import compress

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import POD_UID

LABEL_PREFIX = "jobpods."
PROCESS = f"{LABEL_PREFIX}process"
"""Label with the process that has made, or claimed, the pod."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "jobpods"}
DEFAULT_IMAGE = "quay.io/ansible/awx-ee:latest"
PULL_POLICIES = {"always": "Always", "missing": "IfNotPresent", "never": "Never"}
DEADLINE_MARGIN = 120
"""Seconds that `activeDeadlineSeconds` leaves beyond all other limits: the last net, never the first."""

UNMOVABLE = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""Annotations: a job can't be moved, so the two common autoscalers must not evict it to save a node."""
MOVABLE = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
"""Without it, a pod that nothing would make again keeps its node."""

WORKER_NAME = "worker"
PRIVATE_DATA_DIR = "/runner"


@dataclass(frozen=True)
class ExecutionEnvironment:
    """The image a job's worker container runs, as AWX's execution environment.

    Attributes:
        image: reference of the container image.
        pull: `always`, `missing` or `never`; None leaves Kubernetes' default.
        registry: the login that pulling it takes; None where it takes none of ours.
    """

    image: str
    pull: str | None = None
    registry: Registry | None = field(default=None, repr=False)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> ExecutionEnvironment:
        """What `asdict` made."""
        registry = stored["registry"]
        return cls(**{**stored, "registry": Registry(**registry) if registry else None})


@dataclass(frozen=True)
class PodIdentity:
    """What names one attempt of one job, and finds its pod again.

    Attributes:
        job_id: the job's number in the store.
        job_uuid: distinguishes jobs of the same number in other stores.
        attempt: 1 for the first pod of the job.
        controller: the controller's host name.
        process: the process that owns the job; empty where that does not matter.
    """

    job_id: int
    job_uuid: str
    attempt: int
    controller: str
    process: str = ""

    @property
    def pod_name(self) -> str:
        """`automation-job-<id>-<hash>`: a create sent twice meets its own pod (409), and makes no other."""
        digest = hashlib.sha256(f"{self.job_uuid} {self.attempt}".encode()).hexdigest()
        return f"automation-job-{self.job_id}-{digest[:10]}"

    @property
    def pull_secret_name(self) -> str:
        """Of the pod's image pull secret, where it has one: it follows from the pod's."""
        return pull_secret_name(self.pod_name)

    @property
    def labels(self) -> dict[str, str]:
        """What finds the pod again: that it is ours, and whose."""
        return {
            **MANAGED_BY,
            f"{LABEL_PREFIX}job-id": str(self.job_id),
            f"{LABEL_PREFIX}job-uuid": self.job_uuid,
            f"{LABEL_PREFIX}attempt": str(self.attempt),
            f"{LABEL_PREFIX}controller": _label_value(self.controller),
            **({PROCESS: self.process} if self.process else {}),
        }


class Identity(Protocol):
    """What names a pod, and finds it again."""

    @property
    def pod_name(self) -> str:
        """Of the pod."""

    @property
    def pull_secret_name(self) -> str:
        """Of its image pull secret, where it has one."""

    @property
    def labels(self) -> dict[str, str]:
        """What finds it again."""


def pull_secret_name(pod_name: str) -> str:
    """Of the image pull secret of a job's pod, where that has one."""
    return f"{pod_name}-pull"


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
            mark, problem = getattr(exc, "problem_mark", None), getattr(exc, "problem", None)
            place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
            words = f": {problem}" if problem else ""
            raise _invalid(f"pod_spec_override is neither YAML nor JSON{place}{words}.") from exc
    if parsed is None:
        return {}
    if not isinstance(parsed, Mapping):
        raise _invalid(f"pod_spec_override must be a mapping (a Pod), but it is {_kind(parsed)}")
    try:
        result: dict[str, Any] = json.loads(json.dumps(parsed, default=str, allow_nan=False))
    except (
        TypeError,
        ValueError,
        RecursionError,
    ) as exc:  # keys that are dates, infinity, circles
        raise _invalid(f"pod_spec_override has in it what JSON can't carry: {exc}") from exc
    _check_shape(result)
    return result


def _check_shape(override: Mapping[str, Any]) -> None:
    """Checks all that `pod_manifest` relies on; the API server checks everything else."""
    if override.get("kind", "Pod") != "Pod" or override.get("apiVersion", "v1") != "v1":
        raise _invalid(
            "pod_spec_override must be a Pod of apiVersion v1, but it is"
            f" {override.get('kind', 'Pod')!r} of {override.get('apiVersion', 'v1')!r}"
        )
    metadata = _checked("metadata", override, dict, "a mapping") or {}
    _checked("metadata.namespace", metadata, str, "a text")
    _checked("metadata.labels", metadata, dict, "a mapping")
    _checked("metadata.annotations", metadata, dict, "a mapping")
    spec = _checked("spec", override, dict, "a mapping")
    containers = _checked("spec.containers", spec or {}, list, "a list of one or more mappings")
    if ("spec" in override and spec is None) or (spec and "containers" in spec and not containers):
        raise _invalid("pod_spec_override removes spec.containers; a job needs its worker container")
    for index, container in enumerate(containers or ()):
        where = f"spec.containers[{index}]"
        if not isinstance(container, dict):
            raise _invalid(f"pod_spec_override: {where} must be a mapping, but it is {_kind(container)}")
        _checked(f"{where}.name", container, str, "a text")
        _checked(f"{where}.image", container, str, "a text")


def _checked(path: str, holder: Mapping[str, Any], kind: type, wanted: str) -> Any:
    """The value of the last part of `path` in `holder`, which may be missing, or null."""
    value = holder.get(path.rpartition(".")[2])
    if value is not None and not isinstance(value, kind):
        raise _invalid(f"pod_spec_override: {path} must be {wanted}, but it is {_kind(value)}")
    return value


def _kind(value: object) -> str:
    """What a value of YAML or JSON is called."""
    if isinstance(value, Mapping):
        return "a mapping"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


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


def worker_name(manifest: Mapping[str, Any]) -> str:
    """Name of the worker container of a final manifest."""
    return str(_worker(manifest)["name"])


def worker_image(override: Mapping[str, Any], execution_environment: ExecutionEnvironment | None) -> str:
    """The image that the worker container of such a pod is made from; arguments as for `pod_manifest`."""
    return str(_worker(_merged(override, execution_environment))["image"])


def _worker(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The worker container: the one named `worker`, else the first."""
    containers: list[dict[str, Any]] = manifest["spec"]["containers"]
    return next((each for each in containers if each.get("name") == WORKER_NAME), containers[0])


def _merged(
    override: Mapping[str, Any], execution_environment: ExecutionEnvironment | None
) -> dict[str, Any]:
    """The override over the default, with name and image of the worker settled."""
    manifest = merge(default_pod_spec(), override)
    worker = _worker(manifest)
    worker["name"] = worker.get("name") or WORKER_NAME
    worker["image"] = worker.get("image") or DEFAULT_IMAGE
    if execution_environment is not None:
        worker["image"] = execution_environment.image
        if execution_environment.pull is not None:
            worker["imagePullPolicy"] = PULL_POLICIES[execution_environment.pull]
    return manifest


def pod_manifest(
    identity: Identity,
    *,
    namespace: str,
    override: Mapping[str, Any],
    execution_environment: ExecutionEnvironment | None,
    supervisor_config: Mapping[str, Any],
    active_deadline: int | None,
    owner: Mapping[str, Any] | None = None,
    movable: bool = False,
) -> dict[str, Any]:
    """The manifest that is sent to the API server.

    Args:
        identity: names and labels of the pod.
        namespace: where the pod is made.
        override: as `parse_override` returned it.
        execution_environment: wins over the override's image where given.
        supervisor_config: what the supervisor reads at its start; nothing secret.
        active_deadline: seconds for `activeDeadlineSeconds`; None sets none.
        owner: entry of `ownerReferences`: the pod goes when this one goes.
        movable: it may be taken from its node at any time.

    Returns:
        A complete Pod manifest.
    """
    manifest = _merged(override, execution_environment)
    metadata = manifest.setdefault("metadata", {})
    metadata["name"] = identity.pod_name
    metadata.pop("generateName", None)
    metadata["namespace"] = namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), **identity.labels}
    metadata["annotations"] = {**(MOVABLE if movable else UNMOVABLE), **(metadata.get("annotations") or {})}
    if owner is not None:
        metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or ()), dict(owner)]
    spec = manifest["spec"]
    if execution_environment is not None and execution_environment.registry is not None:
        # AWX has only its own there; but an override's may be for the images of other containers.
        others = spec.get("imagePullSecrets") or []
        spec["imagePullSecrets"] = [{"name": identity.pull_secret_name}, *others]
    spec["restartPolicy"] = "Never"
    if active_deadline is not None:
        spec["activeDeadlineSeconds"] = active_deadline
    container = _worker(manifest)
    container["args"] = supervisor_args(supervisor_config)
    container["env"] = _with_pod_uid(container.get("env"))
    container["stdin"] = True
    container["stdinOnce"] = False
    container["tty"] = False
    return manifest


def _with_pod_uid(env: Any) -> Any:
    """A container's environment, by which the supervisor knows its pod from another one of the same name."""
    known = {"name": POD_UID, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    # What is no list is for the API server to refuse.
    return [*(env or ()), known] if env is None or isinstance(env, list) else env


@lru_cache(maxsize=1)
def _bootstrap() -> str:
    """The supervisor as an argument of python3: base64 has no `$`, which Kubernetes would rewrite in args."""
    source = (Path(__file__).parent / "supervisor.py").read_bytes()
    code = b64encode(compress(source, 9)).decode("ascii")
    return f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{code}')))"


def supervisor_args(config: Mapping[str, Any]) -> list[str]:
    """`args` of the worker container: the supervisor's source and its configuration."""
    return ["python3", "-c", _bootstrap(), b64encode(json.dumps(dict(config)).encode()).decode("ascii")]


def configured(pod: Mapping[str, Any]) -> dict[str, Any]:
    """What the supervisor of a pod has read at its start; empty where that can't be told.

    Anybody may have made the pod, so this is for people to read, and decides nothing.
    """
    for container in (pod.get("spec") or {}).get("containers") or ():
        args: list[str] = container.get("args") or []
        if len(args) == 4 and args[:2] == ["python3", "-c"]:
            try:
                found = json.loads(b64decode(args[3]))
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return found
    return {}


def _label_value(text: str) -> str:
    """`text` cut and cleaned to a valid label value (Kubernetes: Labels and Selectors, syntax)."""
    cleaned = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in text)
    return cleaned[:63].strip("-_.")


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
