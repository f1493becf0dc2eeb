# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container group's options are checked before it is stored, and tried on its cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import ExecutionEnvironment
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.container_group_check import (
    Trial,
    check_values,
    dry_run,
    line_of,
    read_override,
    unknown_fields,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    document,
    status,
    text,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)

EMPTY = {**KINDS["container_group"].settings, "credential": None, "execution_environment": None}
HOST = {"host": "https://kubernetes.test:6443", "api_key": "t"}
PODS = "/api/v1/namespaces/jobs/pods"


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
    ],
)
def test_paths_are_kept_for_other_playbooks(given: Any, kept: Any) -> None:
    values = check_values({**EMPTY, "kubeconfig": given}, folder=Path("/play"))
    assert values["kubeconfig"] == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("ca.crt", "/play/ca.crt", id="path"),
        pytest.param("-----BEGIN CERTIFICATE-----\nabc\n", "-----BEGIN CERTIFICATE-----\nabc\n", id="text"),
    ],
)
def test_certificates_are_kept_for_other_playbooks(given: str, kept: str) -> None:
    values = check_values({**EMPTY, **HOST, "ssl_ca_cert": given}, folder=Path("/play"))
    assert values["ssl_ca_cert"] == kept


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


# -- on its cluster --


@pytest_asyncio.fixture
async def server(tmp_path: Path, authority: Authority) -> AsyncIterator[ApiServer]:
    context = server_context(tmp_path / "server", *authority.issue("127.0.0.1"))
    async with ApiServer(context) as running:
        running.on("POST", PODS, document({"kind": "Pod"}, 201))
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trial(server: ApiServer, authority: Authority, tmp_path: Path) -> Trial:
    values = checked(namespace="jobs", pod_spec_override=OVERRIDE)
    inputs = {"host": server.url, "bearer_token": SENT, "ssl_ca_cert": authority.pem}
    return Trial(values, inputs, None, None, {}, tmp_path)


def with_override(trial: Trial, given: object) -> Trial:
    values = {**trial.values, "pod_spec_override": read_override(given)}
    return Trial(values, trial.credential_inputs, None, given, trial.environ, trial.home)


async def test_the_pod_is_tried_and_not_made(server: ApiServer, trial: Trial) -> None:
    assert await dry_run(trial) is None
    (seen,) = server.seen
    assert seen.query == {"dryRun": "All", "fieldValidation": "Strict"}
    assert seen.authorization == f"Bearer {SENT}"
    assert seen.body["metadata"]["namespace"] == "jobs"
    assert seen.body["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert seen.body["spec"]["containers"][0]["image"] == "a"


async def test_the_groups_image_is_tried(server: ApiServer, trial: Trial) -> None:
    environment = ExecutionEnvironment("quay.io/own:1", "always")
    await dry_run(Trial(trial.values, trial.credential_inputs, environment, None, {}, trial.home))
    container = server.seen[0].body["spec"]["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("quay.io/own:1", "Always")


INVALID = status(
    422,
    'Pod "x" is invalid: spec.containers[0].image: Invalid value: " a": must not have leading whitespace',
    "Invalid",
    {"causes": [{"field": "spec.containers[0].image", "message": "must not have leading whitespace"}]},
)
UNKNOWN = status(
    400,
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contianers"',
    "BadRequest",
)


async def test_an_invalid_field_is_refused_with_its_line(server: ApiServer, trial: Trial) -> None:
    server.on("POST", PODS, INVALID)
    given = "spec:\n  containers:\n    - name: worker\n      image: ' a'\n"
    with pytest.raises(Failure) as caught:
        await dry_run(with_override(trial, given))
    assert (caught.value.reason, caught.value.http_status) == ("InvalidPodSpec", 422)
    assert caught.value.message.startswith("pod_spec_override: ")
    assert "must not have leading whitespace" in caught.value.message
    assert caught.value.message.endswith(" (spec.containers[0].image: line 4).")


async def test_an_unknown_field_is_refused_with_what_is_meant(server: ApiServer, trial: Trial) -> None:
    server.on("POST", PODS, UNKNOWN)
    with pytest.raises(Failure) as caught:
        await dry_run(with_override(trial, {"spec": {"contianers": []}}))
    assert caught.value.reason == "InvalidPodSpec"
    assert caught.value.message.endswith(" (spec.contianers: containers is likely meant).")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(status(401, "Unauthorized", "Unauthorized"), "401", id="401"),
        pytest.param(
            status(403, 'pods is forbidden: User "u" cannot create resource "pods"', "Forbidden"),
            "may not create pods",
            id="403",
        ),
        pytest.param(
            status(404, 'namespaces "jobs" not found', "NotFound", {"name": "jobs", "kind": "namespaces"}),
            "does not exist",
            id="no namespace",
        ),
        pytest.param(
            status(403, 'pods "x" is forbidden: exceeded quota: small', "Forbidden", {"name": "x"}),
            "quota",
            id="quota",
        ),
        pytest.param(
            status(400, 'admission webhook "w.test" denied the request: no', "BadRequest"),
            "denied the request: no",
            id="webhook",
        ),
        pytest.param(
            status(400, 'admission webhook "w.test" does not support dry run', "BadRequest"),
            "does not support dry run",
            id="webhook without dry run",
        ),
        pytest.param(
            status(
                403,
                'pods "x" is forbidden: error looking up service account: serviceaccount "a" not found',
                "Forbidden",
                {"name": "x"},
            ),
            'service account "a" does not exist',
            id="no service account yet",
        ),
        pytest.param(status(503, "away", "ServiceUnavailable"), "503", id="503"),
        pytest.param(status(409, "already exists", "AlreadyExists"), "same name", id="409"),
        pytest.param(text("<html>", 404), "not a Kubernetes API server", id="another server"),
    ],
)
async def test_what_stands_in_the_way_is_a_warning(
    server: ApiServer, trial: Trial, reply: Any, words: str
) -> None:
    server.on("POST", PODS, reply)
    warning = await dry_run(trial)
    assert warning is not None
    assert warning.startswith("saved, but not tried on the cluster: ")
    assert words in warning
    assert "Unknown fields" not in warning


async def test_a_warning_tells_of_unknown_fields(server: ApiServer, trial: Trial) -> None:
    server.on("POST", PODS, status(401, "Unauthorized", "Unauthorized"))
    warning = await dry_run(with_override(trial, "spec:\n  contianers: []\n"))
    assert warning is not None
    assert "Unknown fields in pod_spec_override: spec.contianers (line 2)" in warning


async def test_nothing_listens(server: ApiServer, trial: Trial) -> None:
    await server.__aexit__(None, None, None)
    warning = await dry_run(trial)
    assert warning is not None
    assert "connection refused" in warning


async def test_a_connection_that_cannot_be_read(trial: Trial) -> None:
    values = {**trial.values, "kubeconfig": "/does/not/exist"}
    warning = await dry_run(Trial(values, None, None, None, {}, trial.home))
    assert warning is not None
    assert "/does/not/exist" in warning


async def test_a_server_that_says_nothing_is_not_waited_for(server: ApiServer, trial: Trial) -> None:
    over = asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    server.on("POST", PODS, wait)
    warning = await dry_run(trial, seconds=0.3)
    over.set()
    assert warning is not None
    assert "0.3 s" in warning
