# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container group's options are checked before it is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.container_group_check import (
    absolute,
    check_values,
    line_of,
    read_override,
    unknown_fields,
)

EMPTY = {**KINDS["container_group"].settings, "credential": None, "execution_environment": None}
HOST = {"host": "https://kubernetes.test:6443", "api_key": "t"}


def checked(**options: Any) -> dict[str, Any]:
    return check_values({**EMPTY, **options})


def refusal(**options: Any) -> str:
    with pytest.raises(Failure) as caught:
        checked(**options)
    assert caught.value.reason == "InvalidConfiguration"
    return caught.value.message


# -- by itself --


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"credential": 3}, id="credential"),
        pytest.param({"kubeconfig": "~/.kube/config", "context": "prod"}, id="kubeconfig"),
        pytest.param({"context": "prod"}, id="context of the default kubeconfig"),
        pytest.param({**HOST, "verify_ssl": False}, id="host"),
        pytest.param({**HOST, "ssl_ca_cert": "/not/there/yet.crt"}, id="CA"),
        pytest.param({"namespace": "jobs", "max_forks": 5, "image_pull_timeout": 1}, id="limits"),
        pytest.param({"warm_pods": 3, "warm_pod_ttl": 60}, id="warm pods"),
    ],
)
def test_what_is_right_stays_as_it_is(options: dict[str, Any]) -> None:
    assert checked(**options) == {**EMPTY, **options}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"credential": 1, "kubeconfig": "a"}, ("credential", "kubeconfig"), id="kubeconfig"),
        pytest.param({"credential": 1, "context": "a"}, ("credential", "context"), id="context"),
        pytest.param({"credential": 1, **HOST}, ("credential", "host"), id="host"),
        pytest.param({"credential": 1, "verify_ssl": False}, ("credential", "verify_ssl"), id="verify_ssl"),
        pytest.param({"kubeconfig": "a", **HOST}, ("kubeconfig", "host"), id="kubeconfig and host"),
        pytest.param({"context": "a", "api_key": "t"}, ("context", "api_key"), id="context and api_key"),
        pytest.param(
            {"kubeconfig": {"a": 1}, "ssl_ca_cert": "t"}, ("kubeconfig", "ssl_ca_cert"), id="mapping and CA"
        ),
    ],
)
def test_sources_of_a_connection_exclude_each_other(options: dict[str, Any], named: tuple[str, str]) -> None:
    assert refusal(**options).startswith(f"{named[0]} and {named[1]} exclude each other")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"host": HOST["host"]}, "host is given without api_key", id="no token"),
        pytest.param({"api_key": "t"}, "api_key is given without host", id="no host"),
        pytest.param({"ssl_ca_cert": "/a"}, "ssl_ca_cert is given without host", id="only a CA"),
        pytest.param({"verify_ssl": True}, "verify_ssl is given without host", id="only verify_ssl"),
        pytest.param({**HOST, "host": "kubernetes:6443"}, 'host is "kubernetes:6443"', id="no URL"),
        pytest.param({"kubeconfig": ["a"]}, "kubeconfig must be a path or a mapping", id="list"),
        pytest.param({"namespace": "My_Jobs"}, "namespace is 'My_Jobs'", id="namespace"),
        pytest.param(
            {"pod_spec_override": {"metadata": {"namespace": "a.b"}}},
            "pod_spec_override: metadata.namespace is 'a.b'",
            id="namespace of the override",
        ),
        pytest.param({"max_concurrent_jobs": -1}, "max_concurrent_jobs is -1", id="less than none"),
        pytest.param({"max_forks": None}, "max_forks is None", id="no number"),
        pytest.param({"max_forks": True}, "max_forks is True", id="truth"),
        pytest.param({"pod_pending_timeout": 0}, "pod_pending_timeout is 0", id="no time"),
        pytest.param({"image_pull_timeout": 10**9}, "image_pull_timeout is 1000000000", id="much time"),
        pytest.param({"cluster_outage_timeout": -5}, "cluster_outage_timeout is -5", id="negative time"),
        pytest.param({"warm_pods": -1}, "warm_pods is -1; it must be from 0 to 1000 (0 is none)", id="warm"),
        pytest.param({"warm_pod_ttl": 9}, "warm_pod_ttl is 9; it must be from 10 to", id="short"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], words: str) -> None:
    assert words in refusal(**options)


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in refusal(host="x", api_key="s3cret")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("config", "/play/config", id="name"),
        pytest.param("../config", "/config", id="upwards"),
        pytest.param("/etc/config", "/etc/config", id="absolute"),
        pytest.param("~/.kube/config", "~/.kube/config", id="home"),
        pytest.param("a:/b:~/c", "/play/a:/b:~/c", id="several"),
        pytest.param({"a": 1}, {"a": 1}, id="mapping"),
        pytest.param("", "", id="none"),
        pytest.param("-----BEGIN CERTIFICATE-----\nabc\n", "-----BEGIN CERTIFICATE-----\nabc\n", id="text"),
    ],
)
def test_paths_are_kept_for_other_playbooks(given: Any, kept: Any) -> None:
    assert absolute(given, Path("/play")) == kept


# -- the override --

OVERRIDE = {"spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "worker", "image": "a"}]}}
AS_YAML = """\
metadata:
  labels: &labels
    team: net
spec:
  nodeSelector:
    disk: ssd
  containers:
    - name: worker
      image: a
      env:
        - name: A
          value: 1
    - {name: side, command: sleep}
"""


@pytest.mark.parametrize("given", [OVERRIDE, json.dumps(OVERRIDE), yaml.safe_dump(OVERRIDE)])
def test_an_override_is_kept_as_a_mapping(given: object) -> None:
    assert checked(pod_spec_override=given)["pod_spec_override"] == OVERRIDE


@pytest.mark.parametrize("given", ["", None, {}, "# nothing\n"])
def test_no_override(given: object) -> None:
    assert checked(pod_spec_override=given)["pod_spec_override"] == {}


def test_faults_of_text_have_their_lines() -> None:
    assert refusal(pod_spec_override=AS_YAML) == (
        "pod_spec_override: spec.containers[0].env[0].value (line 12) must be a text, but it is 1; put it in"
        ' quotes: "1"; spec.containers[1].command (line 13) must be a list, but it is the text "sleep".'
    )


def test_faults_of_a_mapping_have_none() -> None:
    message = refusal(pod_spec_override={"spec": {"volumes": {}}})
    assert message == "pod_spec_override: spec.volumes must be a list, but it is a mapping."


def test_not_all_faults_are_told_at_once() -> None:
    labels = {f"label{number}": number for number in range(8)}
    message = refusal(pod_spec_override={"metadata": {"labels": labels}})
    assert "metadata.labels.label4 must" in message
    assert "label5" not in message
    assert message.endswith("; and 3 more.")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param("spec: [", "neither YAML nor JSON", id="no YAML"),
        pytest.param("just text", "must be a mapping", id="text"),
        pytest.param({"spec": {"containers": {}}}, "spec.containers must be a list", id="no list"),
        pytest.param("spec: 2026-01-01", r"spec \(line 1\) must be a mapping", id="date"),
        pytest.param({"kind": "Deployment"}, "must be a Pod", id="another kind"),
        pytest.param({"spec": {"containers": []}}, "spec.containers", id="empty"),
    ],
)
def test_what_is_no_override(given: object, words: str) -> None:
    with pytest.raises(Failure, match=words):
        read_override(given)


def test_a_line_of_broken_yaml_is_named() -> None:
    assert "line 3" in refusal(pod_spec_override="spec:\n  a: 1\n b: 2\n")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param(("metadata", "labels"), 2, id="key"),
        pytest.param(("spec", "containers", 0), 8, id="item"),
        pytest.param(("spec", "containers", 1, "command"), 13, id="flow"),
        pytest.param(("spec", "containers", 0, "volumeMounts", 0, "name"), 8, id="above what is missing"),
        pytest.param(("spec", "containers", 7), 7, id="above an item that is missing"),
        pytest.param(("status",), None, id="nowhere"),
    ],
)
def test_lines(path: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(AS_YAML, path) == line


def test_a_merge_key_is_no_trouble() -> None:
    given = "x: &x {name: worker}\nspec:\n  containers:\n    - <<: *x\n      image: 5\n"
    assert "spec.containers[0].image (line 5)" in refusal(pod_spec_override=given)


def test_unknown_fields_are_no_fault_but_can_be_told() -> None:
    given = "spec:\n  contianers: []\n  newField: 1\n"
    assert checked(pod_spec_override=given)["pod_spec_override"]["spec"]["newField"] == 1
    assert unknown_fields(given) == [
        "spec.contianers (line 2) is not a field that is known here; do you mean containers?",
        "spec.newField (line 3) is not a field that is known here",
    ]
