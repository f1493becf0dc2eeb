# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that wait for what never comes: caused for real, all of them side by side, to wait only once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]

PENDING = 20
"""Seconds within which scheduler and kubelet have told what is wrong with all of them, on a slow machine."""


def worker(**fields: Any) -> Options:
    """A pod spec with a worker container."""
    return {"containers": [{"name": "worker", "image": IMAGE, "imagePullPolicy": "IfNotPresent", **fields}]}


def mounted(**volume: Any) -> Options:
    """A pod spec whose worker mounts a volume."""
    mount = {"name": "needed", "mountPath": "/needed"}
    return {**worker(volumeMounts=[mount]), "volumes": [{"name": "needed", **volume}]}


NEVER = {"name": "missing", "key": "word"}
PAUSE = {"image": "localhost/pause:1", "imagePullPolicy": "Never"}
"""An image whose program only waits."""


@dataclass(frozen=True)
class Case:
    """A pod that does not start.

    Attributes:
        spec: the pod's.
        reason: what its job fails with.
        words: what the message and the cluster's own words tell.
        hint: what the hint tells.
        warned: the terminal has told it long before the end.
        at_once: the job ends without waiting for any limit.
    """

    spec: Options
    reason: str
    words: tuple[str, ...]
    hint: str
    warned: bool = True
    at_once: bool = False


CASES = {
    "no-node": Case(
        {"nodeSelector": {"disk": "ssd"}, **worker()},
        "Unschedulable",
        ("selector",),
        "node selector",
    ),
    "no-claim": Case(
        mounted(persistentVolumeClaim={"claimName": "missing"}),
        "VolumeMount",
        ('persistentvolumeclaim "missing" not found',),
        "claim",
    ),
    "no-config-map": Case(
        mounted(configMap={"name": "missing"}),
        "VolumeMount",
        ('configmap "missing" not found',),
        "config map",
    ),
    "no-secret": Case(
        worker(env=[{"name": "WORD", "valueFrom": {"secretKeyRef": NEVER}}]),
        "ContainerConfig",
        ('secret "missing" not found',),
        "Create the secret",
    ),
    "root-only": Case(
        worker(securityContext={"runAsNonRoot": True, "runAsUser": 0}),
        "ContainerConfig",
        ("non-root policy",),
        "correct the pod spec",
        warned=False,
        at_once=True,
    ),
    "no-program": Case(
        worker(command=["/no/such/program"]),
        "ContainerStart",
        ("StartError", "/no/such/program"),
        "gives the worker container a command",
        warned=False,
        at_once=True,
    ),
    "gated": Case(
        {"schedulingGates": [{"name": "example.com/wait"}], **worker()},
        "PodPendingTimeout",
        ("scheduling gates",),
        "pod_pending_timeout",
        warned=False,
    ),
    "endless-init": Case(
        {"initContainers": [{"name": "prepare", **PAUSE}], **worker()},
        "PodPendingTimeout",
        ("prepare", "running"),
        "pod_pending_timeout",
        warned=False,
    ),
    "no-entrypoint": Case(
        worker(**PAUSE), "RunnerMissing", ("entrypoint",), "execution environment", warned=False
    ),
}


def test_pods_that_never_start(controller: Controller, job: Options) -> None:
    group = {**job["container_group"], "execution_environment": None, "pod_pending_timeout": PENDING}
    jobs = {
        name: {**job, "container_group": {**group, "pod_spec_override": {"spec": case.spec}}}
        for name, case in CASES.items()
    }
    played = controller.side_by_side(jobs)
    wrong = {
        name: words
        for name, case in CASES.items()
        if (words := mistakes(name, case, played.results[name][0], played.terminal))
    }
    assert not wrong


def mistakes(name: str, case: Case, result: dict[str, Any], terminal: str) -> list[str]:
    """What of a job's end is not as it should be."""
    facts = result["job"]
    failure = facts["failure"]
    if failure is None or failure["reason"] != case.reason:
        return [str(result["msg"])]
    told = f"{failure['message']}\n{facts['result_traceback']}"
    retries = [line for line in terminal.splitlines() if f"[{name}]" in line and "It is tried again." in line]
    checks = {
        "the status is no error": facts["status"] == "error" and result["failed"] and not result["changed"],
        "the message lacks the reason or the hint": all(
            text in result["msg"] for text in (case.reason, failure["hint"])
        ),
        f"the words are not in: {told}": all(words in told for words in case.words),
        f"{case.hint!r} is not in the hint {failure['hint']!r}": case.hint in failure["hint"],
        f"it was told {len(retries)} times that it is tried again": len(retries) == case.warned,
        "the pod's status is not in the traceback": '"phase"' in facts["result_traceback"],
        f"the message does not tell of the limit: {failure['message']}": case.at_once
        == ("pod_pending_timeout" not in failure["message"]),
        f"the node is {failure['details'].get('node')!r}": "node" in failure["details"],
    }
    return [fault for fault, right in checks.items() if not right]
