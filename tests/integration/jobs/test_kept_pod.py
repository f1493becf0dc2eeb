# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that stays after its job can be looked into, has no secrets any more, and ends by itself."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client, stream

Options = dict[str, Any]

EXEC = re.compile(r"`kubectl exec -it -n (\S+) (\S+) -c (\S+) -- (sh)`")
DELETE = re.compile(r"`kubectl delete pod -n (\S+) (\S+)`")
LOOK = (
    "cd /runner && ls env artifacts/* && cat project/site.yml"
    " && cat /proc/[0-9]*/cmdline | tr '\\0' ' '; exit\n"
)


def entered(core: client.CoreV1Api, message: str) -> str:
    """What a shell prints that is started as the message says, like `kubectl exec -it`."""
    found = EXEC.search(message)
    assert found, message
    namespace, pod, container, program = found.groups()
    shell = stream.stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        namespace,
        container=container,
        command=[program],
        stdin=True,
        stdout=True,
        tty=True,
        _preload_content=False,
    )
    shell.write_stdin(LOOK)
    shell.run_forever(timeout=60)
    assert shell.returncode == 0
    printed = str(shell.read_all())
    shell.sock.shutdown()  # its own close leaves the socket open when the server has closed first
    return printed


def test_pod_of_a_failed_job_can_be_looked_into(
    controller: Controller, job: Options, core: client.CoreV1Api
) -> None:
    controller.project(site=[{"name": "Break", "ansible.builtin.command": "false"}])
    vault = {"credential_type": "vault", "inputs": {"vault_password": "s3cret-vault"}}
    secrets = {"credentials": [vault], "extra_vars": {"password": "s3cret-var"}}
    with controller.started({**job, **secrets, "keep_pod": "on_failure"}) as running:
        result = running.result()
        terminal = " ".join(running.terminal.split())
    assert result["job"]["status"] == "failed"
    assert result["job"]["pod_kept_until"] in result["msg"]
    until(lambda: not controller.processes(), "the job process, which does not wait for the end of its time")
    printed = entered(core, result["msg"])
    assert "Break" in printed, "the project is there"
    assert "settings" in printed
    for gone in ("passwords", "extravars", "s3cret", "ansible-playbook", "ansible-runner worker"):
        assert gone not in printed
    assert EXEC.search(terminal), "it is told as it happens, too"
    with controller.opened() as store:
        assert store.undeleted_pods(0) == []
    found = DELETE.search(result["msg"])
    assert found
    core.delete_namespaced_pod(found[2], found[1])


def test_pod_that_is_kept_ends_by_itself(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    result = controller.verb("container_group_job", **job, keep_pod="always", keep_pod_ttl=1)
    name = result["job"]["pod_name"]
    assert result["job"]["status"] == "successful"

    def phase() -> str:
        status = core.read_namespaced_pod(name, namespace).status
        return str(status.phase) if status else ""

    until(lambda: phase() == "Succeeded", "the supervisor to end")
    with controller.opened() as store:
        assert [left.pod_name for left in store.undeleted_pods(0)] == [name]
        assert store.connection(result["job"]["id"]), "with which the pod is deleted later"
    core.delete_namespaced_pod(name, namespace)
