# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a pod is found by a table of its fields."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.faults import (
    Path,
    dotted,
    faults,
    meant,
    parsed,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    PodIdentity,
    default_pod_spec,
    pod_manifest,
)


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def worker(**fields: Any) -> dict[str, Any]:
    return spec(containers=[{"name": "worker", **fields}])


def found(pod: dict[str, Any]) -> list[str]:
    return [f"{dotted(fault.path)} {fault.words}" for fault in faults(pod)]


FULL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"namespace": "jobs", "labels": {"a": "b"}, "annotations": {"c.test/d": ""}},
    "spec": {
        "serviceAccountName": "runner",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "jobs", "operator": "Exists", "tolerationSeconds": 5}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}
                    ]
                }
            }
        },
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [1, 2], "fsGroup": 0},
        "imagePullSecrets": [{"name": "registry"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}],
        "initContainers": [{"name": "first", "command": ["true"], "restartPolicy": "Always"}],
        "containers": [
            {
                "name": "worker",
                "image": "quay.io/ansible/awx-ee:latest",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
                ],
                "envFrom": [{"configMapRef": {"name": "c"}}],
                "resources": {
                    "requests": {"cpu": 1, "memory": "1.5Gi", "nvidia.com/gpu": "1"},
                    "limits": {"cpu": "500m", "memory": "1e9", "ephemeral-storage": "10M"},
                },
                "ports": [{"containerPort": 80}],
                "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": False}],
                "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 3},
                "readinessProbe": {"tcpSocket": {"port": 80}},
                "securityContext": {"capabilities": {"drop": ["ALL"]}, "privileged": False},
            },
            {"name": "side", "image": None},
        ],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "old", "iscsi": {"anything": [1]}},
            {
                "name": "all",
                "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {"name": "s"}}]},
            },
        ],
    },
}


def test_nothing_is_wrong_with_a_pod_of_many_fields() -> None:
    assert found(FULL) == []


def test_nothing_is_wrong_with_our_own_pods() -> None:
    manifest = pod_manifest(
        PodIdentity(1, "uuid", 1, "here"),
        namespace="jobs",
        override={},
        execution_environment=None,
        supervisor_config={},
        active_deadline=60,
    )
    assert found(manifest) == []
    assert found(default_pod_spec()) == []


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        pytest.param(
            worker(env=[{"name": "A", "value": "x"}, {"name": "B", "value": 1}]),
            'spec.containers[0].env[1].value must be a text, but it is 1; put it in quotes: "1"',
            id="number for a text",
        ),
        pytest.param(
            {"metadata": {"labels": {"on": True}}},
            'metadata.labels.on must be a text, but it is true; put it in quotes: "true"',
            id="truth for a text",
        ),
        pytest.param(
            worker(image=["a"]),
            "spec.containers[0].image must be a text, but it is a list",
            id="list for a text",
        ),
        pytest.param(
            worker(command="sleep 1"),
            'spec.containers[0].command must be a list, but it is the text "sleep 1"',
            id="text for a list",
        ),
        pytest.param(
            spec(nodeSelector=["a"]), "spec.nodeSelector must be a mapping, but it is a list", id="list"
        ),
        pytest.param(
            spec(tolerations={"key": "a"}), "spec.tolerations must be a list, but it is a mapping", id="map"
        ),
        pytest.param(
            spec(hostNetwork="true"),
            'spec.hostNetwork must be true or false, but it is the text "true"; write it without quotes',
            id="text for a truth",
        ),
        pytest.param(
            spec(priority="high"),
            'spec.priority must be a whole number, but it is the text "high"',
            id="text for a number",
        ),
        pytest.param(
            spec(securityContext={"runAsUser": "1000"}),
            'spec.securityContext.runAsUser must be a whole number, but it is the text "1000"; write it'
            " without quotes",
            id="number in quotes",
        ),
        pytest.param(
            spec(securityContext={"runAsUser": True}),
            "spec.securityContext.runAsUser must be a whole number, but it is true",
            id="truth for a number",
        ),
        pytest.param(
            worker(resources={"limits": {"memory": "2 GB"}}),
            "spec.containers[0].resources.limits.memory must be a quantity like 500m or 2Gi, but it is the"
            ' text "2 GB"',
            id="quantity",
        ),
        pytest.param(
            worker(resources={"cpu": "1"}),
            "spec.containers[0].resources.cpu is not a field that is known here",
            id="unknown",
        ),
        pytest.param(
            worker(volumeMounts=[{"name": "a"}]),
            "spec.containers[0].volumeMounts[0].mountPath is missing",
            id="missing",
        ),
        pytest.param(spec(volumes=[{"emptyDir": {}}]), "spec.volumes[0].name is missing", id="no name"),
        pytest.param(
            spec(initContainers=[{"image": "a"}]), "spec.initContainers[0].name is missing", id="init"
        ),
        pytest.param(
            spec(tolerations=[None]), "spec.tolerations[0] is null; a list has no empty items", id="null item"
        ),
        pytest.param(
            spec(volumes=[{"name": "a", "iscsi": 1}]),
            "spec.volumes[0].iscsi must be a mapping, but it is 1",
            id="mapping that is not described",
        ),
    ],
)
def test_what_is_wrong(pod: dict[str, Any], words: str) -> None:
    assert found(pod) == [words]


def test_all_faults_are_found() -> None:
    assert len(found({"metadata": {"labels": []}, "spec": {"volumes": {}, "hostPID": 1}})) == 3


def test_a_null_is_as_if_the_field_were_not_there() -> None:
    assert found({"metadata": None, "spec": {"affinity": None, "containers": [{"env": None}]}}) == []
    assert found(spec(volumes=[{"name": None}])) == ["spec.volumes[0].name is missing"]


@pytest.mark.parametrize(
    "text", ["1", "0.5", ".5", "5.", "100m", "1k", "2Ki", "3Ei", "1e3", "1E-3", "-1", "+1"]
)
def test_quantities(text: str) -> None:
    assert found(worker(resources={"limits": {"memory": text}})) == []


@pytest.mark.parametrize("value", ["", "1Kb", "1 Gi", "Gi", "1mm", "1e", "one", True, [1]])
def test_what_is_no_quantity(value: Any) -> None:
    assert len(found(worker(resources={"limits": {"memory": value}}))) == 1


@pytest.mark.parametrize(
    ("path", "likely"),
    [
        pytest.param(("spec", "contianers"), "containers", id="letters swapped"),
        pytest.param(("spec", "nodeselector"), "nodeSelector", id="case"),
        pytest.param(("spec", "containers", 3, "imagepullpolicy"), "imagePullPolicy", id="in a list"),
        pytest.param(("spec", "volumes", 0, "emptydir"), "emptyDir", id="case in a list"),
        pytest.param(("spec", "volumes", 0, "nam"), "name", id="a required one"),
        pytest.param(("containers",), "spec.containers", id="a level too high"),
        pytest.param(("spec", "image"), "spec.containers[].image", id="of a container"),
        pytest.param(("spec", "labels"), "metadata.labels", id="of the metadata"),
        pytest.param(("spec", "containers", 0, "tolerations"), "spec.tolerations", id="a level too low"),
        pytest.param(("spec", "frobnicate"), "", id="nothing like it"),
        pytest.param(("metadata", "labels", "a", "b"), "", id="below a text"),
    ],
)
def test_what_is_likely_meant(path: Path, likely: str) -> None:
    assert meant(path) == likely


def test_an_unknown_field_is_marked() -> None:
    (fault,) = faults(spec(contianers=[]))
    assert fault.unknown
    assert fault.words.endswith("; do you mean containers?")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "containers", 0, "env", 12, "value"), "spec.containers[0].env[12].value"),
        (("metadata",), "metadata"),
        ((), ""),
    ],
)
def test_paths_are_written_as_kubernetes_does(path: Path, text: str) -> None:
    assert dotted(path) == text
    assert parsed(text) == path


def test_a_key_in_brackets_is_no_number() -> None:
    assert parsed("spec.nodeSelector[a.test/b]") == ("spec", "nodeSelector", "a.test/b")
