# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job starts another one from its pod, with nothing but the pod's service account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.in_cluster.conftest import RESTRICTED, Inside
from ansible_collections.jobpods.controller.tests.integration.playbooks import until
from kubernetes import client

TELL: list[dict[str, Any]] = [
    {"ansible.builtin.command": "id", "register": "user"},
    {
        "ansible.builtin.stat": {"path": "{{ lookup('env', 'HOME') }}/.local/share/jobpods/jobpods.db"},
        "register": "store",
    },
    {
        "ansible.builtin.set_stats": {
            "data": {"inner": "{{ inner }}", "store": "{{ store.stat.exists }}", "user": "{{ user.stdout }}"}
        }
    },
]
restricted_only = pytest.mark.parametrize("constraints", ["restricted"], indirect=True)


def owners(pod: client.V1Pod) -> list[tuple[str, str, str]]:
    """Kind, name and UID of a pod's owners."""
    found = (pod.metadata and pod.metadata.owner_references) or []
    return [(str(owner.kind), str(owner.name), str(owner.uid)) for owner in found]


def as_owner(pod: client.V1Pod) -> tuple[str, str, str]:
    """What a pod is called in the `ownerReferences` of another one."""
    assert pod.metadata
    return "Pod", str(pod.metadata.name), str(pod.metadata.uid)


def test_result_and_output_arrive_in_the_outer_job(inside: Inside, kubeconfig: Path) -> None:
    with inside.controller.started(inside.job(kubeconfig, inside.task(), *TELL)) as running:
        pod = inside.await_inner(1)
        outer = inside.pods()[0]
        assert owners(pod) == [as_owner(outer)]
        inside.open_gate(pod)
        result = running.result()
    assert result["job"]["status"] == "successful", result["stdout"]
    artifacts = result["job"]["artifacts"]
    inner: dict[str, Any] = artifacts["inner"]
    assert (inner["job"]["id"], inner["job"]["status"]) == (1, "successful")
    user = f"uid={RESTRICTED['securityContext']['runAsUser']} " if inside.constraints else "uid=0(root) "
    assert artifacts["user"].startswith(f"{user}gid=0(root)")
    assert inner["job"]["artifacts"]["user"].startswith(f"{user}gid=0(root)")
    assert inner["job"]["controller_node"] == result["job"]["pod_name"]
    assert artifacts["store"] is True
    for output in (inner["stdout"], result["stdout"], running.terminal):
        assert "hello from the inner pod" in output
    assert "[WARNING]" not in result["stdout"]


@restricted_only
def test_inner_pod_goes_with_the_outer_one(inside: Inside, kubeconfig: Path) -> None:
    with inside.controller.started(inside.job(kubeconfig, inside.task())) as running:
        inside.await_inner(1)
        outer = inside.pods()[0]
        assert outer.metadata
        # At once, so that nothing in the outer pod has the time to delete the inner one.
        inside.core.delete_namespaced_pod(str(outer.metadata.name), inside.namespace, grace_period_seconds=0)
        until(lambda: not inside.pods(), "Kubernetes to delete the inner pod")
        result = running.result()
    assert result["job"]["failure"]["reason"] == "PodDeleted"
