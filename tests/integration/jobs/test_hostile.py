# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that lie in real pods, all at once in one job process, beside an honest one.

The unit tests have more of them (tests/liars.py), each with a supervisor on their own machine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from ansible_collections.jobpods.controller.tests.liars import BEGIN, LIARS
from kubernetes import client

Options = dict[str, Any]

CHOSEN = (
    "endless-line",
    "escapes",
    "flood-of-large-events",
    "forged-end",
    "invalid-utf-8",
    "success-with-a-failing-exit-code",
    "templates",
)
RUNNER = """#!/usr/bin/python3 -IS
import base64, io, json, os, signal, sys, time, zipfile

payload = sys.stdin.buffer.read().split(b"\\n")[2].removesuffix(b'{"eof": true}')
with zipfile.ZipFile(io.BytesIO(base64.b64decode(payload))) as files:
    inventory = files.read("inventory/hosts.yml").decode()
with open(os.path.dirname(sys.argv[0]) + "/programs.json") as file:
    (program,) = (program for name, program in json.load(file).items() if f'"{name}"' in inventory)
exec(program)
"""
"""Does what the only host of its slice is called."""


@pytest.fixture
def liars(core: client.CoreV1Api, namespace: str) -> Options:
    """A pod spec in which ansible-runner is a liar."""
    programs = {"honest": BEGIN + "end()", **{name: LIARS[name].program for name in CHOSEN}}
    data = {"ansible-runner": RUNNER, "programs.json": json.dumps(programs)}
    core.create_namespaced_config_map(
        namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="liars"), data=data)
    )
    worker = {
        "name": "worker",
        "image": IMAGE,
        "env": [{"name": "PATH", "value": "/liars:/usr/local/bin:/usr/bin:/bin"}],
        "volumeMounts": [{"name": "liars", "mountPath": "/liars"}],
    }
    volume = {"name": "liars", "configMap": {"name": "liars", "defaultMode": 0o755}}
    return {"spec": {"containers": [worker], "volumes": [volume]}}


def test_workers_that_lie(
    controller: Controller, job: Options, group: Options, liars: Options, tmp_path: Path
) -> None:
    task = {
        **job,
        "container_group": {**group, "pod_spec_override": liars},
        "inventory": {"all": {"hosts": dict.fromkeys(("honest", *CHOSEN), {})}},
        "job_slice_count": 1 + len(CHOSEN),
        "cancel_grace": 0,
        "max_event_size": "2M",
        "max_output_size": "8M",
    }
    show = {"ansible.builtin.debug": {"msg": "{{ result_0.job.slices | map(attribute='artifacts') }}"}}
    played = controller.play(
        [{"jobpods.controller.container_group_job": task, "ignore_errors": True}, show], "-v"
    )
    result, shown = played.results["localhost"]
    expected = {"honest": "successful", **{name: LIARS[name].ends for name in CHOSEN}}
    ended = {}
    for name, each in zip(sorted(expected), result["job"]["slices"], strict=True):
        reason = f" {each['failure']['reason']}" if each["failure"] else ""
        ended[name] = each["status"] + reason
        words = LIARS[name].words if name in LIARS else ""
        assert words in f"{each['job_explanation']} {(each['failure'] or {}).get('hint')}"
    assert ended == expected, played.terminal
    # Nothing of it is obeyed by a terminal, evaluated by Ansible, or used as a path.
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", played.terminal)
    assert {"evil": "{{ 6 * 7 }}{% set x = 1 %}", "{{ 6 * 7 }}{% set x = 1 %}": 1} in shown["msg"]
    assert "42" not in json.dumps(shown)
    assert not list(tmp_path.rglob("*evil*"))
