# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of stored objects: a user's machine on each of the databases, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from kubernetes import client, stream

Task = dict[str, Any]
GATE = "/tmp/gate"
GATED: list[Task] = [
    {
        "name": "Wait at the gate",
        "ansible.builtin.shell": f"until test -e {GATE}; do sleep 0.1; done",
        "when": "not (free | default(false))",
    }
]
"""Tasks of a playbook that waits until the test lets its pod go on, unless the variable `free` is set."""
SITE = "Operations"


def verb(module: str, /, **options: Any) -> Task:
    """A task with one module of the collection."""
    return {f"jobpods.controller.{module}": options}


def definitions(kubeconfig: Path, namespace: str, project: Path) -> list[Task]:
    """What a site needs to launch the job template `greet`, in an order in which it can be made."""
    own = {"organization": SITE}
    return [
        verb("organization", name=SITE),
        verb("execution_environment", name="tools", image=IMAGE, pull="missing"),
        verb(
            "container_group",
            name="pods",
            kubeconfig=str(kubeconfig),
            namespace=namespace,
            execution_environment="tools",
        ),
        verb("organization", name=SITE, instance_groups=["pods"]),
        verb("project", name="site", scm_type="manual", local_path=str(project), **own),
        verb("inventory", name="hosts", content={"all": {"hosts": {"a": LOCAL, "b": LOCAL}}}, **own),
        verb(
            "job_template",
            name="greet",
            project="site",
            inventory="hosts",
            playbook="site.yml",
            allow_simultaneous=True,
            **own,
        ),
    ]


Define = Callable[..., None]


@pytest.fixture
def define(controller: Controller, kubeconfig: Path, namespace: str) -> Define:
    """Defines the site, with a playbook of these tasks, and what else a test needs."""

    def defined(site: Sequence[Task], *more: Task) -> None:
        tasks = definitions(kubeconfig, namespace, controller.project(site=site))
        played = controller.play([*tasks, *more])
        assert played.rc == 0, played.terminal

    return defined


def jobs_of(controller: Controller) -> list[JobRecord]:
    """All jobs of a store, the oldest first."""
    with controller.opened() as store:
        return list(store.list())[::-1]


def open_gate(core: client.CoreV1Api, namespace: str, pod: str) -> None:
    """Lets the playbook in a pod go on."""
    command = stream.stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        namespace,
        command=["touch", GATE],
        stderr=True,
        _preload_content=False,
    )
    command.run_forever(timeout=60)
    assert command.returncode == 0, command.read_stderr()
    command.sock.shutdown()  # its own close leaves the socket open when the server has closed first
