# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role container_group_access: check, do, do again, change, remove, remove again, on the real cluster."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Played, until
from kubernetes import client

Options = dict[str, Any]
ROLE = "jobpods.controller.container_group_access"
PREFIX = "container_group_access_"


@pytest.fixture
def fresh(core: client.CoreV1Api) -> Iterator[str]:
    """The name of a namespace that is not there."""
    name = f"test-{uuid4().hex[:8]}"
    yield name
    if name in namespaces(core):
        core.delete_namespace(name)


@pytest.fixture
def wanted(kubeconfig: Path, fresh: str) -> Options:
    return {"name": "prod", "namespace": fresh, "kubeconfig": str(kubeconfig)}


def namespaces(core: client.CoreV1Api) -> dict[str, str]:
    """Names and phases of the namespaces."""
    return {
        str(each.metadata.name): str(each.status.phase)
        for each in core.list_namespace().items
        if each.metadata and each.status
    }


def applied(controller: Controller, wanted: Options, *arguments: str) -> tuple[Played, int]:
    """Applies the role; returns also how many of its tasks changed something."""
    variables = {f"{PREFIX}{name}": value for name, value in wanted.items()}
    played = controller.play(
        [{"ansible.builtin.include_role": {"name": ROLE}, "vars": variables}], *arguments
    )
    assert played.rc == 0, played.terminal
    (changed,) = re.findall(r"changed=(\d+)", played.terminal)
    # One is the test's own, which keeps the results.
    return played, int(changed) - 1


def stored(controller: Controller, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = controller.verb("object_info", kind=kind, name="prod")["objects"]
    return found


def token_of(core: client.CoreV1Api, namespace: str) -> str:
    data = core.read_namespaced_secret("container-group-token", namespace).data
    assert data is not None
    return base64.b64decode(data["token"]).decode()


def test_from_nothing_to_a_group_and_back(
    controller: Controller, core: client.CoreV1Api, wanted: Options, fresh: str
) -> None:
    _played, changed = applied(controller, wanted, "--check", "--diff")
    assert changed > 0
    assert fresh not in namespaces(core)
    assert stored(controller, "container_group") == stored(controller, "credential") == []

    played, changed = applied(controller, wanted, "-vvv", "--diff")
    assert changed == 4
    assert token_of(core, fresh) not in played.terminal
    (group,) = stored(controller, "container_group")
    assert (group["credential"], group["namespace"]) == ("prod", fresh)
    (credential,) = stored(controller, "credential")
    assert credential["inputs"]["bearer_token"] == "$encrypted$"  # noqa: S105 - no token
    tested = controller.verb("credential_test", container_group="prod")
    assert tested["user"] == f"system:serviceaccount:{fresh}:container-group"

    for arguments in ((), ("--check",)):
        _played, changed = applied(controller, wanted, *arguments)
        assert changed == 0

    changes = {**wanted, "registry_secrets": True, "max_forks": 7}
    played, changed = applied(controller, changes)
    assert changed == 2, played.terminal
    assert stored(controller, "container_group")[0]["max_forks"] == 7
    assert all(check["ok"] for check in controller.verb("credential_test", container_group="prod")["checks"])

    gone = {**wanted, "state": "absent"}
    _played, changed = applied(controller, gone, "--check")
    assert changed == 2
    assert token_of(core, fresh)
    assert stored(controller, "container_group") != []
    _played, changed = applied(controller, gone)
    assert changed == 3
    assert namespaces(core).get(fresh, "Terminating") == "Terminating"
    assert stored(controller, "container_group") == stored(controller, "credential") == []
    _played, changed = applied(controller, gone)
    assert changed == 0
    # At once, while the old namespace may still be there.
    _played, changed = applied(controller, wanted)
    assert changed == 4


def test_a_job_runs_with_the_access(
    controller: Controller, core: client.CoreV1Api, wanted: Options, fresh: str, kubeconfig: Path
) -> None:
    applied(controller, wanted)
    cluster = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
    group = {
        "host": cluster["server"],
        "api_key": token_of(core, fresh),
        "ssl_ca_cert": base64.b64decode(cluster["certificate-authority-data"]).decode(),
        "namespace": fresh,
        "execution_environment": {"image": IMAGE, "pull": "missing"},
    }
    project = controller.project(site=[{"name": "Greet", "ansible.builtin.debug": {"msg": "hello"}}])
    result = controller.verb(
        "container_group_job",
        container_group=group,
        project=str(project),
        playbook="site.yml",
        inventory={"all": {"hosts": {"here": LOCAL}}},
    )
    assert result["job"]["status"] == "successful", result
    until(lambda: not core.list_namespaced_pod(fresh).items, "the pod to be gone")


def test_a_bound_token_is_replaced_in_time(
    controller: Controller, core: client.CoreV1Api, wanted: Options, fresh: str
) -> None:
    applied(controller, wanted)
    bound = {**wanted, "token": "bound", "token_seconds": 900}
    _played, changed = applied(controller, bound)
    assert changed == 2
    assert "container-group-token" not in [
        each.metadata.name for each in core.list_namespaced_secret(fresh).items if each.metadata
    ]
    first = controller.verb("credential_test", container_group="prod")["token_expires"]
    assert first is not None
    _played, changed = applied(controller, bound)
    assert changed == 0
    _played, changed = applied(controller, {**bound, "token_seconds": 7200})  # 900 s are less than a third
    assert changed == 2
    assert controller.verb("credential_test", container_group="prod")["token_expires"] > first


def test_what_others_have_in_a_namespace_stays(
    controller: Controller, core: client.CoreV1Api, wanted: Options, fresh: str
) -> None:
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=fresh)))
    applied(controller, wanted)
    applied(controller, {**wanted, "state": "absent"})
    assert namespaces(core)[fresh] == "Active"
    accounts = core.list_namespaced_service_account(fresh).items
    assert {each.metadata.name for each in accounts if each.metadata} <= {"default"}


def test_a_namespace_of_the_role_with_others_in_it_stays(
    controller: Controller, core: client.CoreV1Api, wanted: Options, fresh: str
) -> None:
    applied(controller, wanted)
    data = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="precious"), data={"a": "b"})
    core.create_namespaced_config_map(fresh, data)
    played, _changed = applied(controller, {**wanted, "state": "absent"})
    assert f"the namespace {fresh} is kept, since it has ConfigMap precious" in " ".join(
        played.terminal.split()
    )
    assert namespaces(core)[fresh] == "Active"
    assert core.read_namespaced_config_map("precious", fresh).data == {"a": "b"}


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        pytest.param({"kubeconfig": "/does/not/exist"}, "kubeconfig names /does/not/exist", id="kubeconfig"),
        pytest.param({"token": "bound", "token_seconds": 5}, "token_seconds is 5", id="token"),
    ],
)
def test_what_goes_wrong_is_told(
    controller: Controller, wanted: Options, spoiled: Options, words: str
) -> None:
    variables = {f"{PREFIX}{name}": value for name, value in {**wanted, **spoiled}.items()}
    played = controller.play([{"ansible.builtin.include_role": {"name": ROLE}, "vars": variables}])
    assert played.rc != 0
    assert words in " ".join(played.terminal.split())
