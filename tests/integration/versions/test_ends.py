# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest packages do the same, above all where Ansible's own versions differ."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.ends import BOUND, REQUIREMENTS
from ansible_collections.jobpods.controller.tests.integration.jobs import test_cancel, test_detached, test_job
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]

# Tests of elsewhere, of what depends on Ansible's own ways.
endless = test_cancel.endless
test_async_with_poll_shows_the_job = test_detached.test_async_with_poll_shows_the_job
test_async_without_waiting = test_detached.test_async_without_waiting
test_ctrl_c_reaches_the_whole_foreground = test_cancel.test_ctrl_c_reaches_the_whole_foreground
test_the_inventory_of_the_calling_play = test_job.test_the_inventory_of_the_calling_play

LIST = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""
LOGIN = """#!/bin/sh
cat {0}/credential.json
"""
"""An exec plugin."""


def installed(end: Path) -> dict[str, str]:
    """The versions of what requirements.txt names."""
    names = [name for name, _bound in BOUND.findall(REQUIREMENTS.read_text(encoding="utf-8"))]
    command = [str(end / "bin/python"), "-c", LIST, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def pem(encoded: str) -> str:
    """What a kubeconfig has base64-coded."""
    return base64.b64decode(encoded).decode()


def numbers(version: str) -> list[int]:
    """A version's numbers, without zeros at the end."""
    found = [int(part) for part in version.split(".") if part.isdigit()]
    while found and not found[-1]:
        del found[-1]
    return found


def test_each_end_is_one(end: Path) -> None:
    text = REQUIREMENTS.read_text(encoding="utf-8")
    bounds = dict(BOUND.findall(text))
    assert len(bounds) == len([line for line in text.splitlines() if line and line[0] != "#"])
    for name, version in installed(end).items():
        print(name, version)  # what was tested, for whoever reads the log
        if end.name == "oldest":
            assert numbers(version) == numbers(bounds[name]), name
        else:
            assert numbers(version) > numbers(bounds[name]), name


def test_kubeconfig_whose_credentials_come_from_a_program(
    controller: Controller, kubeconfig: Path, job: Options
) -> None:
    """What the package `kubernetes` is for."""
    content = json.loads(kubeconfig.read_text(encoding="utf-8"))
    (user,) = content["users"]
    fields = {"clientCertificateData": "client-certificate-data", "clientKeyData": "client-key-data"}
    status = {name: pem(user["user"][field]) for name, field in fields.items()}
    version = "client.authentication.k8s.io/v1"
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    controller.write("credential.json", credential)
    login = controller.write("login", LOGIN.format(controller.folder))
    login.chmod(0o755)
    run = {"apiVersion": version, "command": str(login), "args": [], "interactiveMode": "Never"}
    user["user"] = {"exec": run}
    group = {**job["container_group"], "kubeconfig": str(controller.write("kubeconfig", content))}
    result = controller.verb("container_group_job", **{**job, "container_group": group})
    assert result["job"]["status"] == "successful", result["msg"]


def test_role(controller: Controller, kubeconfig: Path, namespace: str) -> None:
    wanted = {"name": "prod", "namespace": namespace, "kubeconfig": str(kubeconfig)}
    variables = {f"container_group_access_{name}": value for name, value in wanted.items()}
    role = {"name": "jobpods.controller.container_group_access"}
    played = controller.play([{"ansible.builtin.include_role": role, "vars": variables}])
    assert played.rc == 0, played.terminal
    (group,) = controller.verb("object_info", kind="container_group", name="prod")["objects"]
    assert (group["credential"], group["namespace"]) == ("prod", namespace)
