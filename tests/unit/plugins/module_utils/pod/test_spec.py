# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An override gives the same pod as in AWX; what a job needs is forced, and what can't be is refused."""

from __future__ import annotations

import base64
import copy
import json
import re
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    DEFAULT_IMAGE,
    ExecutionEnvironment,
    PodIdentity,
    default_pod_spec,
    merge,
    parse_override,
    pod_manifest,
    supervisor_args,
    worker_image,
    worker_name,
)

Override = dict[str, Any]

IDENTITY = PodIdentity(job_id=12, job_uuid="0123abcd", attempt=1, controller="here.example")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
"""Kubernetes: Labels and Selectors, syntax."""


UID = {"name": "JOBPODS_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}


def manifest(override: object = None, **how: Any) -> dict[str, Any]:
    return pod_manifest(
        how.pop("identity", IDENTITY),
        namespace=how.pop("namespace", "jobs"),
        override=parse_override(override),
        execution_environment=how.pop("environment", None),
        supervisor_config={"controller_lost_timeout": 600},
        active_deadline=how.pop("active_deadline", None),
    )


def worker(pod: dict[str, Any]) -> dict[str, Any]:
    """The container that has the supervisor in its args."""
    (found,) = (each for each in pod["spec"]["containers"] if each.get("stdin"))
    container: dict[str, Any] = found
    return container


def containers(*given: Override) -> Override:
    return {"spec": {"containers": list(given)}}


# --- the default and what is forced -----


def test_default_is_awx_s() -> None:
    """AWX: settings/defaults.py; its label is `ansible_job`, its image the execution environment's."""
    spec = default_pod_spec()["spec"]
    assert (default_pod_spec()["apiVersion"], default_pod_spec()["kind"]) == ("v1", "Pod")
    assert default_pod_spec()["metadata"]["namespace"] == "default"
    assert spec["serviceAccountName"] == "default"
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"] == [
        {
            "name": "worker",
            "image": "quay.io/ansible/awx-ee:latest",
            "resources": {"requests": {"cpu": "250m", "memory": "100Mi"}},
        }
    ]
    (spread,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert (spread["weight"], spread["podAffinityTerm"]["topologyKey"]) == (100, "kubernetes.io/hostname")
    wanted = spread["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert wanted.items() <= manifest()["metadata"]["labels"].items()


def test_default_is_not_changed_by_what_is_made_of_it() -> None:
    before = copy.deepcopy(default_pod_spec())
    manifest({"metadata": {"labels": {"a": "b"}}, "spec": {"affinity": {"nodeAffinity": {}}}})
    assert default_pod_spec() == before


def test_what_a_job_needs_is_forced() -> None:
    override = {
        "metadata": {
            "name": "theirs",
            "generateName": "theirs-",
            "namespace": "theirs",
            "labels": {"team": "web", "jobpods.job-id": "1", "app.kubernetes.io/managed-by": "them"},
            "annotations": {"note": "x", "karpenter.sh/do-not-disrupt": "false"},
        },
        "spec": {
            "restartPolicy": "Always",
            "activeDeadlineSeconds": 5,
            "containers": [
                {"name": "worker", "args": ["sleep"], "stdin": False, "stdinOnce": True, "tty": True}
            ],
        },
    }
    pod = manifest(override, active_deadline=900)
    assert pod["metadata"] == {
        "name": IDENTITY.pod_name,
        "namespace": "jobs",
        "labels": {"team": "web", **IDENTITY.labels},
        "annotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "note": "x",
            "karpenter.sh/do-not-disrupt": "false",  # a user who says so may have the job evicted
        },
    }
    assert (pod["spec"]["restartPolicy"], pod["spec"]["activeDeadlineSeconds"]) == ("Never", 900)
    container = worker(pod)
    assert (container["stdin"], container["stdinOnce"], container["tty"]) == (True, False, False)
    assert container["args"] == supervisor_args({"controller_lost_timeout": 600})
    assert container["env"] == [UID]


@pytest.mark.parametrize(
    ("given", "then"),
    [
        pytest.param([{"name": "A", "value": "b"}], [{"name": "A", "value": "b"}, UID], id="more"),
        pytest.param(None, [UID], id="null"),
        pytest.param({"A": "b"}, {"A": "b"}, id="wrong, for the API server to refuse"),
    ],
)
def test_supervisor_knows_which_pod_it_is_in(given: Any, then: Any) -> None:
    pod = manifest(containers({"name": "worker", "env": given}, {"name": "sidecar"}))
    assert worker(pod)["env"] == then
    assert "env" not in pod["spec"]["containers"][1]


def test_without_a_time_limit_the_pod_has_none_but_the_override_s() -> None:
    assert "activeDeadlineSeconds" not in manifest()["spec"]
    assert manifest({"spec": {"activeDeadlineSeconds": 5}})["spec"]["activeDeadlineSeconds"] == 5


def test_entrypoint_of_the_image_and_the_override_s_command_are_kept() -> None:
    assert "command" not in worker(manifest())
    command = ["dumb-init", "--"]
    assert worker(manifest(containers({"name": "worker", "command": command})))["command"] == command


def test_args_are_the_supervisor_and_its_configuration() -> None:
    program, flag, bootstrap, config = supervisor_args({"controller_lost_timeout": 600})
    assert (program, flag) == ("python3", "-c")
    code = re.search(r"b64decode\('([^']*)'\)", bootstrap)
    assert code is not None
    source = zlib.decompress(base64.b64decode(code[1]))
    assert source == Path(supervisor.__file__).read_bytes()
    assert json.loads(base64.b64decode(config)) == {"controller_lost_timeout": 600}


def test_args_have_nothing_that_kubernetes_rewrites_and_fit_into_one_argument() -> None:
    args = supervisor_args({"a": "$$ $(HOME) `x`"})
    assert "$" not in "".join(args)
    assert max(map(len, args)) < 100 << 10


# --- names and labels -----


def test_name_is_the_same_for_one_attempt_and_no_other() -> None:
    again = PodIdentity(12, "0123abcd", 1, "elsewhere")
    assert IDENTITY.pod_name == again.pod_name
    others = [PodIdentity(12, "0123abcd", 2, "here.example"), PodIdentity(12, "other", 1, "here.example")]
    assert len({IDENTITY.pod_name, *(other.pod_name for other in others)}) == 3
    assert re.fullmatch(r"automation-job-12-[0-9a-f]{10}", IDENTITY.pod_name)


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("here.example", "here.example"),
        ("a_b-C.9", "a_b-C.9"),
        ("höst!", "h-st"),
        ("-.a._", "a"),
        ("x" * 70, "x" * 63),
        ("x" * 62 + ".y", "x" * 62),
        ("...", ""),
        ("", ""),
    ],
)
def test_host_s_name_becomes_a_label_s_value(host: str, label: str) -> None:
    labels = PodIdentity(1, "u", 1, host).labels
    assert labels["jobpods.controller"] == label
    assert all(LABEL_VALUE.fullmatch(value) and len(value) <= 63 for value in labels.values())


# --- the worker and its image -----

OURS = ExecutionEnvironment("ours:1", "missing")


@pytest.mark.parametrize(
    ("override", "environment", "image"),
    [
        pytest.param(None, None, DEFAULT_IMAGE, id="nobody"),
        pytest.param(containers({"name": "worker", "image": "theirs:1"}), None, "theirs:1", id="override"),
        pytest.param(containers({"name": "worker", "image": "theirs:1"}), OURS, "ours:1", id="both"),
        pytest.param(None, OURS, "ours:1", id="environment"),
        pytest.param(containers({"name": "worker"}), None, DEFAULT_IMAGE, id="override-without"),
        pytest.param(containers({"name": "worker", "image": None}), None, DEFAULT_IMAGE, id="null"),
        pytest.param(containers({"name": "worker", "image": ""}), None, DEFAULT_IMAGE, id="empty"),
        pytest.param(
            containers({"name": "side", "image": "side:1"}, {"name": "worker", "image": "theirs:1"}),
            OURS,
            "ours:1",
            id="sidecar",
        ),
    ],
)
def test_image_is_the_environment_s_then_the_override_s_then_the_default(
    override: object, environment: ExecutionEnvironment | None, image: str
) -> None:
    pod = manifest(override, environment=environment)
    assert worker(pod)["image"] == image
    assert worker_image(parse_override(override), environment) == image
    others = [each["image"] for each in pod["spec"]["containers"] if each is not worker(pod)]
    assert others == ["side:1"] * len(others)


@pytest.mark.parametrize(
    ("pull", "policy"), [("always", "Always"), ("missing", "IfNotPresent"), ("never", "Never")]
)
def test_pull_policy_is_the_environment_s(pull: str, policy: str) -> None:
    override = containers({"name": "worker", "imagePullPolicy": "Weekly"})
    assert (
        worker(manifest(override, environment=ExecutionEnvironment("a", pull)))["imagePullPolicy"] == policy
    )
    assert worker(manifest(override, environment=ExecutionEnvironment("a")))["imagePullPolicy"] == "Weekly"
    assert "imagePullPolicy" not in worker(manifest(environment=ExecutionEnvironment("a")))


@pytest.mark.parametrize(
    ("override", "others"),
    [
        pytest.param(None, [], id="alone"),
        pytest.param({"spec": {"imagePullSecrets": [{"name": "a"}]}}, [{"name": "a"}], id="beside others"),
        pytest.param({"spec": {"imagePullSecrets": None}}, [], id="null"),
    ],
)
def test_pull_secret_stands_before_the_override_s(override: object, others: list[dict[str, str]]) -> None:
    private = ExecutionEnvironment("a", registry=Registry("quay.io", "me", "s3cret"))
    pod = manifest(override, environment=private)
    assert pod["spec"]["imagePullSecrets"] == [{"name": f"{IDENTITY.pod_name}-pull"}, *others]
    assert "s3cret" not in json.dumps(pod) + repr(private)
    without = manifest(override, environment=ExecutionEnvironment("a"))
    assert without["spec"].get("imagePullSecrets", []) == others


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["worker"], "worker"),
        (["ansible"], "ansible"),
        (["side", "worker"], "worker"),
        (["first", "second"], "first"),
        ([None], "worker"),
        ([None, "side"], "worker"),
        ([None, "worker"], "worker"),
    ],
)
def test_worker_is_the_container_of_that_name_else_the_first(names: list[str | None], chosen: str) -> None:
    given = [{"image": "a", **({} if name is None else {"name": name})} for name in names]
    pod = manifest(containers(*given))
    assert worker_name(pod) == worker(pod)["name"] == chosen
    assert len(pod["spec"]["containers"]) == len(names)


# --- merging -----


@pytest.mark.parametrize(
    ("base", "override", "merged"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="mappings"),
        pytest.param({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, {"a": {"b": {"c": 2}}}, id="deep"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="lists-replace"),
        pytest.param({"a": [1]}, {"a": []}, {"a": []}, id="empty-list-replaces"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}, id="empty-mapping-leaves"),
        pytest.param({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}, id="text-for-a-mapping"),
        pytest.param({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="mapping-for-a-text"),
        pytest.param({"a": 1, "b": 2}, {"a": None}, {"b": 2}, id="null-removes"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}, id="null-removes-deep"),
        pytest.param({}, {"a": None, "b": {"c": None}}, {"b": {}}, id="null-of-nothing"),
        pytest.param({"a": 1}, {"a": False}, {"a": False}, id="false-is-no-null"),
    ],
)
def test_merge(base: Override, override: Override, merged: Override) -> None:
    kept = copy.deepcopy((base, override))
    result = merge(base, override)
    assert result == merged
    assert (base, override) == kept
    for value in result.values():
        if isinstance(value, (dict, list)):
            assert value is not override.get("a")
            assert value is not base.get("a")


def awx_merge(base: Any, override: Any) -> Any:
    """As AWX's deepmerge (main/utils/common.py): mappings recursively, everything else replaces."""
    if isinstance(base, dict) and isinstance(override, dict):
        merged = {**base}
        for key, value in override.items():
            merged[key] = awx_merge(base[key], value) if key in base else value
        return merged
    return override


AWX_OVERRIDE = """
apiVersion: v1
kind: Pod
metadata:
  namespace: other
  labels: {team: web}
spec:
  serviceAccountName: ansible
  automountServiceAccountToken: true
  hostAliases:
    - ip: "127.0.0.1"
      hostnames: ["foo.local"]
  affinity:
    nodeAffinity: {}
  containers:
    - name: worker
      image: "example.test/ee:2"
      resources: {limits: {cpu: 1}}
      volumeMounts: [{name: cache, mountPath: /cache}]
  volumes: [{name: cache, emptyDir: {}}]
"""


def test_override_made_for_awx_gives_the_same_pod() -> None:
    expected = awx_merge(default_pod_spec(), yaml.safe_load(AWX_OVERRIDE))
    pod = manifest(AWX_OVERRIDE, namespace="other")
    forced = {"args", "stdin", "stdinOnce", "tty", "env"}
    (container,) = pod["spec"].pop("containers")
    assert [{key: value for key, value in container.items() if key not in forced}] == expected["spec"].pop(
        "containers"
    )
    assert pod["spec"].pop("restartPolicy") == "Never"
    assert pod["spec"] == expected["spec"]
    assert expected["metadata"]["labels"].items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["namespace"] == expected["metadata"]["namespace"]


# --- reading an override -----


@pytest.mark.parametrize("given", [None, "", "  \n", "# nothing\n", "null", {}], ids=repr)
def test_nothing_is_no_override(given: object) -> None:
    assert parse_override(given) == {}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"spec": {"nodeSelector": {"a": "b"}}}, id="mapping"),
        pytest.param("spec: {nodeSelector: {a: b}}", id="YAML"),
        pytest.param('{"spec": {"nodeSelector": {"a": "b"}}}', id="JSON"),
        pytest.param('{"apiVersion": "v1", "kind": "Pod", "spec": {"nodeSelector": {"a": "b"}}}', id="whole"),
    ],
)
def test_override_may_be_a_mapping_or_a_text(given: object) -> None:
    assert parse_override(given)["spec"] == {"nodeSelector": {"a": "b"}}


def test_override_is_a_copy_that_json_can_carry() -> None:
    given = {"metadata": {"annotations": {"day": date(2026, 1, 2)}}, "spec": {"containers": [{"name": "a"}]}}
    parsed = parse_override(given)
    assert parsed["metadata"]["annotations"]["day"] == "2026-01-02"
    parsed["spec"]["containers"][0]["name"] = "b"
    assert given["spec"]["containers"] == [{"name": "a"}]  # type: ignore[index]


REMOVED = "pod_spec_override removes spec.containers; a job needs its worker container"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            "a: [", "pod_spec_override is neither YAML nor JSON (line 1, column 5): expected", id="no-yaml"
        ),
        pytest.param("just words", "must be a mapping (a Pod), but it is a text", id="text"),
        pytest.param("5", "must be a mapping (a Pod), but it is a number", id="number"),
        pytest.param([{"spec": {}}], "must be a mapping (a Pod), but it is a list", id="list"),
        pytest.param("a: .inf", "has in it what JSON can't carry: Out of range float", id="infinity"),
        pytest.param("2026-01-02: a", "has in it what JSON can't carry: keys must be", id="date-as-key"),
        pytest.param("a: &a [*a]", "has in it what JSON can't carry: Circular reference", id="circle"),
        pytest.param({"kind": "Job"}, "must be a Pod of apiVersion v1, but it is 'Job' of 'v1'", id="kind"),
        pytest.param({"apiVersion": "v2"}, "but it is 'Pod' of 'v2'", id="version"),
        pytest.param({"kind": ["Pod"]}, "but it is ['Pod'] of 'v1'", id="kind-as-list"),
        pytest.param({"metadata": "a"}, ": metadata must be a mapping, but it is a text", id="metadata"),
        pytest.param(
            {"metadata": {"labels": ["a"]}},
            ": metadata.labels must be a mapping, but it is a list",
            id="labels",
        ),
        pytest.param(
            {"metadata": {"annotations": "x"}},
            ": metadata.annotations must be a mapping, but it is a text",
            id="annotations",
        ),
        pytest.param(
            {"metadata": {"namespace": {"a": 1}}},
            ": metadata.namespace must be a text, but it is a mapping",
            id="namespace",
        ),
        pytest.param({"spec": []}, ": spec must be a mapping, but it is a list", id="spec"),
        pytest.param(
            {"spec": {"containers": {"name": "worker"}}},
            ": spec.containers must be a list of one or more mappings, but it is a mapping",
            id="containers-as-mapping",
        ),
        pytest.param(
            containers({"name": "a"}, "worker"),  # type: ignore[arg-type]
            ": spec.containers[1] must be a mapping, but it is a text",
            id="container-as-text",
        ),
        pytest.param(
            {"spec": {"containers": [None]}},
            ": spec.containers[0] must be a mapping, but it is null",
            id="container-as-null",
        ),
        pytest.param(
            containers({"name": ["a"]}),
            ": spec.containers[0].name must be a text, but it is a list",
            id="name",
        ),
        pytest.param(
            containers({"name": "a"}, {"name": True}),
            ": spec.containers[1].name must be a text, but it is true or false",
            id="second-name",
        ),
        pytest.param(
            containers({"name": "a", "image": 5}),
            ": spec.containers[0].image must be a text, but it is a number",
            id="image",
        ),
        pytest.param({"spec": None}, REMOVED, id="no-spec"),
        pytest.param("spec:", REMOVED, id="empty-spec"),
        pytest.param({"spec": {"containers": None}}, REMOVED, id="no-containers"),
        pytest.param({"spec": {"containers": []}}, REMOVED, id="empty-containers"),
    ],
)
def test_override_of_a_wrong_shape_is_refused_by_the_name_of_its_field(given: object, message: str) -> None:
    with pytest.raises(Failure) as caught:
        parse_override(given)
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith("pod_spec_override")
    assert message in caught.value.message


@pytest.mark.parametrize(
    "given",
    [
        {"metadata": None},
        {"metadata": {"labels": None, "annotations": None, "namespace": None}},
        {"metadata": {"labels": {"a": 1}, "name": ["x"]}},
        {"spec": {}},
        {"spec": {"affinity": None, "serviceAccountName": None, "restartPolicy": ["x"]}},
        {"spec": {"initContainers": "x", "volumes": 5}},
        containers({}),
        containers({"name": None, "image": None, "args": None, "stdin": "x"}),
        containers({"name": "", "image": ""}, {"name": None}),
    ],
    ids=repr,
)
def test_of_every_override_that_is_accepted_a_pod_is_made(given: Override) -> None:
    pod = manifest(given)
    assert worker(pod)["name"] == worker_name(pod) == "worker"
    assert pod["metadata"]["labels"].items() >= IDENTITY.labels.items()
    json.dumps(pod, allow_nan=False)
