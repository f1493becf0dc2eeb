# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pod documents, as API servers of Kubernetes 1.34 send them, mean for a job."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_state import (
    evidence,
    final_trouble,
    lasting_trouble,
    pending_words,
    pod_state,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import EXIT_CONTROLLER_LOST


def pod(
    phase: str = "Pending",
    *,
    state: dict[str, Any] | None = None,
    node: str = "node1",
    conditions: list[dict[str, Any]] | None = None,
    init: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "metadata": {"name": "automation-job-1-abc", "uid": "u1"},
        "spec": {"containers": [{"name": "worker", "env": [{"name": "SECRET", "value": "hidden"}]}]},
        "status": {"phase": phase, "conditions": conditions or [], **status},
    }
    if node:
        document["spec"]["nodeName"] = node
    if state is not None:
        sidecar = {"name": "sidecar", "state": {"running": {}}}
        document["status"]["containerStatuses"] = [sidecar, {"name": "worker", "state": state}]
    if init is not None:
        document["status"]["initContainerStatuses"] = [{"name": "prepare", "state": init}]
    return document


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(reason: str, code: int, message: str = "") -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code, "message": message}}


def disruption(reason: str) -> list[dict[str, Any]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "said why"}]


FINAL = [
    pytest.param(
        pod(state=waiting("CreateContainerConfigError", "container's runAsUser breaks non-root policy")),
        "ContainerConfig",
        id="non-root",
    ),
    pytest.param(
        pod(state=waiting("CreateContainerConfigError", 'secret "x" not found')), None, id="may-be-created"
    ),
    pytest.param(pod(state=waiting("ContainerCreating")), None, id="creating"),
    pytest.param(pod("Running", state={"running": {}}), None, id="running"),
    pytest.param(
        pod(state=waiting("InvalidImageName", "bad ref")), "InvalidImageName", id="invalid-image-name"
    ),
    pytest.param(pod(state=waiting("ErrImageNeverPull", "not present")), "ImagePull", id="never-pull"),
    pytest.param(
        pod(state=waiting("ErrImagePull", 'failed to resolve reference "127.0.0.1:5000/none:1": not found')),
        "ImagePull",
        id="image-not-found",
    ),
    pytest.param(
        pod(state=waiting("ErrImagePull", "failed to authorize: 401 Unauthorized")),
        "ImagePull",
        id="image-not-allowed",
    ),
    pytest.param(
        pod(state=waiting("ErrImagePull", "dial tcp 127.0.0.1:5000: connection refused")),
        None,
        id="registry-away",
    ),
    pytest.param(
        pod(state=waiting("CreateContainerConfigError", 'secret "x" not found')), None, id="secret-may-come"
    ),
    pytest.param(pod("Failed", state=ended("OOMKilled", 137)), "OOMKilled", id="out-of-memory"),
    pytest.param(
        pod("Failed", state=ended("StartError", 128, 'exec: "python3": executable file not found in $PATH')),
        "RunnerMissing",
        id="no-python",
    ),
    pytest.param(
        pod("Failed", state=ended("StartError", 128, "permission denied")), "ContainerStart", id="start-error"
    ),
    pytest.param(pod("Failed", state=ended("Error", 3)), "ContainerTerminated", id="ended-by-itself"),
    pytest.param(
        pod("Failed", state=ended("Error", EXIT_CONTROLLER_LOST)), "ControllerLost", id="controller-lost"
    ),
    pytest.param(
        pod("Failed", state=ended("OOMKilled", EXIT_CONTROLLER_LOST)), "OOMKilled", id="out-of-memory-with-75"
    ),
    pytest.param(
        pod("Succeeded", state=ended("Completed", 0)), "ContainerTerminated", id="zero-is-no-success"
    ),
    pytest.param(
        pod("Running", state=ended("Completed", 0)),
        "ContainerTerminated",
        id="worker-ended-while-sidecar-runs",
    ),
    pytest.param(pod("Failed", reason="Evicted", message="disk"), "Evicted", id="evicted-by-kubelet"),
    pytest.param(
        pod("Running", state={"running": {}}, conditions=disruption("EvictionByEvictionAPI")),
        "Evicted",
        id="drained",
    ),
    pytest.param(pod("Running", conditions=disruption("PreemptionByScheduler")), "Preempted", id="preempted"),
    pytest.param(pod("Running", conditions=disruption("DeletionByTaintManager")), "NodeLost", id="node-lost"),
    pytest.param(pod(init=ended("Error", 1)), "ContainerTerminated", id="init-container-failed"),
    pytest.param(
        pod(init=ended("Error", EXIT_CONTROLLER_LOST)), "ContainerTerminated", id="init-container-with-75"
    ),
    pytest.param(pod(init=waiting("InvalidImageName", "bad")), "InvalidImageName", id="init-image-invalid"),
    pytest.param(pod("Failed", reason="UnexpectedAdmissionError"), "Unschedulable", id="rejected-by-kubelet"),
    pytest.param(pod("Failed", reason="DeadlineExceeded"), "ContainerTerminated", id="deadline-exceeded"),
    pytest.param(
        pod("Failed", state=waiting("PodInitializing"), reason="DeadlineExceeded"),
        "ContainerTerminated",
        id="deadline-exceeded-before-the-worker",
    ),
]


@pytest.mark.parametrize(("document", "reason"), FINAL)
def test_final_trouble(document: dict[str, Any], reason: str | None) -> None:
    failure = final_trouble(pod_state(document, "worker"))
    assert (failure.reason if failure else None) == reason


@pytest.mark.parametrize("document", [case.values[0] for case in FINAL], ids=[case.id for case in FINAL])
def test_message_ends_as_a_sentence(document: Any) -> None:
    """Whoever knows more about a failure adds a sentence to it."""
    failure = final_trouble(pod_state(document, "worker")) or lasting_trouble(pod_state(document, "worker"))
    assert failure is None or failure.message.endswith(".")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param(ended("Error", 1), "ContainerTerminated", id="ended"),
        pytest.param(
            ended("StartError", 128, 'exec: "run": executable file not found in $PATH'),
            "ContainerStart",
            id="not-found",
        ),
    ],
)
@pytest.mark.parametrize("command", [True, False])
def test_hint_tells_of_the_command_of_the_override(state: dict[str, Any], reason: str, command: bool) -> None:
    document = pod("Failed", state=state)
    if command:
        document["spec"]["containers"][0]["command"] = ["run"]
    failure = final_trouble(pod_state(document, "worker"))
    assert failure is not None
    assert ("command, which replaces the image's entrypoint" in failure.hint) == command
    assert (failure.reason == reason) == (command or reason == "ContainerTerminated")


def test_hint_of_an_init_container_is_not_about_the_worker_s_command() -> None:
    document = pod(init=ended("Error", 1))
    document["spec"]["containers"][0]["command"] = ["run"]
    failure = final_trouble(pod_state(document, "worker"))
    assert failure is not None
    assert "command" not in failure.hint


def test_deletion_by_somebody_else() -> None:
    document = pod("Running", state={"running": {}})
    document["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    failure = final_trouble(pod_state(document, "worker"))
    assert failure is not None
    assert failure.reason == "PodDeleted"
    assert failure.details["node"] == "node1"


UNSCHEDULABLE = [
    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
]

NO_CLAIM = [{**UNSCHEDULABLE[0], "message": '0/1 nodes: persistentvolumeclaim "x" not found.'}]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(pod(state=waiting("ImagePullBackOff", "Back-off")), "ImagePull", id="pull"),
        pytest.param(pod(state=waiting("CreateContainerConfigError", "x")), "ContainerConfig", id="config"),
        pytest.param(pod(state=waiting("CreateContainerError", "x")), "ContainerStart", id="start"),
        pytest.param(pod(node="", conditions=UNSCHEDULABLE), "Unschedulable", id="unschedulable"),
        pytest.param(pod(node="", conditions=NO_CLAIM), "VolumeMount", id="claim"),
        pytest.param(pod(node="node1", conditions=UNSCHEDULABLE), None, id="scheduled-meanwhile"),
        pytest.param(pod(state=waiting("ContainerCreating")), None, id="nothing-wrong"),
    ],
)
def test_lasting_trouble(document: dict[str, Any], reason: str | None) -> None:
    failure = lasting_trouble(pod_state(document, "worker"))
    assert (failure.reason if failure else None) == reason


SCHEDULED = {"type": "Normal", "reason": "Scheduled", "message": "fine"}
PULLING = {"type": "Normal", "reason": "Pulling", "message": 'Pulling image "x"'}
NO_CONFIG_MAP = {"type": "Warning", "reason": "FailedMount", "message": 'configmap "x" not found'}
NO_NETWORK = {"type": "Warning", "reason": "FailedCreatePodSandBox", "message": "cni plugin not initialized"}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        pytest.param([SCHEDULED], None, id="nothing-wrong"),
        pytest.param([SCHEDULED, NO_CONFIG_MAP], "VolumeMount", id="mount"),
        pytest.param([SCHEDULED, NO_NETWORK], "ContainerStart", id="network"),
        pytest.param([SCHEDULED, NO_CONFIG_MAP, NO_NETWORK], "ContainerStart", id="the-last-counts"),
        pytest.param([SCHEDULED, NO_CONFIG_MAP, PULLING], None, id="over"),
    ],
)
def test_events_tell_what_the_status_does_not(events: list[dict[str, Any]], reason: str | None) -> None:
    failure = lasting_trouble(pod_state(pod(state=waiting("ContainerCreating")), "worker"), events)
    assert (failure.reason if failure else None) == reason
    if failure:
        assert events[-1]["message"] in failure.message
        assert failure.details["event"] == events[-1]["reason"]
    running = pod_state(pod("Running", state={"running": {}}), "worker")
    assert lasting_trouble(running, events) is None


def scheduling(reason: str, message: str) -> list[dict[str, Any]]:
    return [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]


GATED = scheduling("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
UNREADABLE = {"reason": "EventsNotReadable", "message": "may not list events"}


@pytest.mark.parametrize(
    ("document", "events", "words"),
    [
        pytest.param(pod(node="", conditions=GATED), [], "Scheduling is blocked", id="gate"),
        pytest.param(pod(init={"running": {}}), [PULLING], "init container 'prepare' still runs", id="init"),
        pytest.param(pod(), [SCHEDULED, PULLING], 'Pulling: Pulling image "x"', id="event"),
        pytest.param(pod(), [UNREADABLE], "can't be read: may not list events", id="no-right"),
        pytest.param(pod(), [], "nothing tells why", id="nothing"),
    ],
)
def test_what_a_pending_pod_waits_for(
    document: dict[str, Any], events: list[dict[str, Any]], words: str
) -> None:
    assert words in pending_words(document, events)


def test_a_sidecar_that_runs_is_no_init_container_that_keeps_the_pod_waiting() -> None:
    document = pod(init={"running": {}})
    document["spec"]["initContainers"] = [{"name": "prepare", "restartPolicy": "Always"}]
    assert "prepare" not in pending_words(document, [])


def of_sidecar(init: dict[str, Any], **state: Any) -> dict[str, Any]:
    """A pod with a sidecar as Kubernetes has them: an init container that is started again for ever."""
    document = pod(init=init, **state)
    document["spec"]["initContainers"] = [{"name": "prepare", "restartPolicy": "Always"}]
    return document


@pytest.mark.parametrize(
    "init", [ended("Error", 1), ended("Error", 143), waiting("CrashLoopBackOff"), waiting("ImagePullBackOff")]
)
@pytest.mark.parametrize(
    ("worker", "container"), [({"running": {}}, "running"), (ended("Completed", 0), "terminated")]
)
def test_a_sidecar_that_ends_says_nothing_of_the_worker(
    init: dict[str, Any], worker: dict[str, Any], container: str
) -> None:
    state = pod_state(of_sidecar(init, phase="Running", state=worker), "worker")
    assert (state.container, state.exit_code) == (container, 0 if container == "terminated" else None)


def test_a_sidecar_that_ends_does_not_hide_that_the_worker_had_too_little_memory() -> None:
    document = of_sidecar(ended("Error", 143), phase="Running", state=ended("OOMKilled", 137))
    trouble = final_trouble(pod_state(document, "worker"))
    assert trouble is not None and trouble.reason == "OOMKilled"


def test_a_sidecar_without_an_image_keeps_the_worker_from_starting() -> None:
    state = pod_state(of_sidecar(waiting("ImagePullBackOff", "not found"), state=waiting("")), "worker")
    trouble = final_trouble(state)
    assert trouble is not None and trouble.reason == "ImagePull"


def test_a_sidecar_that_crashes_before_it_has_started_is_named() -> None:
    document = of_sidecar(waiting("CrashLoopBackOff"), state=waiting("PodInitializing"))
    document["status"]["initContainerStatuses"][0]["started"] = False
    assert final_trouble(pod_state(document, "worker")) is None
    assert "its sidecar 'prepare' has not started" in pending_words(document, [])


def test_evidence_has_the_clusters_words_and_no_spec() -> None:
    words = evidence(
        pod("Failed", state=ended("OOMKilled", 137)),
        [{"type": "Normal", "reason": "Pulled", "message": "ok"}],
    )
    assert "OOMKilled" in words
    assert "Normal Pulled: ok" in words
    assert "hidden" not in words


@pytest.mark.parametrize(
    ("words", "retryable"),
    [
        ("Pod ephemeral local storage usage exceeds the total limit of containers 50Mi. ", False),
        ('Container worker exceeded its local ephemeral storage limit "50Mi". ', False),
        ('Usage of EmptyDir volume "runner" exceeds the limit "10Mi". ', False),
        ("The node was low on resource: memory. Container worker was using 9Gi, request is 1Gi, ", True),
        ("Eviction API: evicting", True),
    ],
)
def test_an_eviction_for_the_pod_s_own_limit_would_come_again(words: str, retryable: bool) -> None:
    failure = final_trouble(pod_state(pod("Failed", reason="Evicted", message=words), "worker"))
    assert failure is not None
    assert (failure.reason, failure.retryable) == ("Evicted", retryable)
    assert failure.message.startswith("The pod was evicted from node node1: ")
    assert ("launch again" in failure.hint.lower()) == retryable


BY_KUBELET = disruption("TerminationByKubelet")
SHUTDOWN = "Pod was terminated in response to imminent node shutdown."


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("Evicted", "The node was low on resource: memory. ", "Evicted"),
        ("Preempting", "Preempted in order to admit critical pod", "Preempted"),
        ("Terminated", SHUTDOWN, "NodeLost"),
    ],
)
def test_what_a_kubelet_ends_pods_for(reason: str, message: str, expected: str) -> None:
    """Recorded: a node that shuts down, or makes room for a critical pod of its own, can't be had here."""
    document = pod("Failed", state=ended("Error", 143), conditions=BY_KUBELET, reason=reason, message=message)
    failure = final_trouble(pod_state(document, "worker"))
    assert failure is not None
    assert failure.reason == expected
    assert message.strip() in failure.message
