# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warm pods on the real cluster: claimed once, replaced, and never in the way."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.objects.conftest import GATED, open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from ansible_collections.jobpods.controller.tests.integration.warm.claiming import claim_at_once, fill
from ansible_collections.jobpods.controller.tests.integration.warm.conftest import await_idle
from kubernetes import client

Options = dict[str, Any]


def test_jobs_get_them_one_after_the_other(
    controller: Controller, warm: Options, core: client.CoreV1Api, namespace: str
) -> None:
    first = controller.verb("container_group_job", **warm)
    assert first["job"]["status"] == "successful", first
    assert first["job"]["pod_name"].startswith("automation-job-")
    waiting = await_idle(core, namespace, 2)

    controller.project(site=GATED)
    with controller.started({**warm, "timeout": 900}) as running:
        running.await_text("claimed in namespace")
        until(
            lambda: len(set(await_idle(core, namespace, 2)) - set(waiting)) == 1, "another pod in its place"
        )
        jobs = core.list_namespaced_pod(namespace, label_selector="jobpods.job-id").items
        (pod,) = jobs
        assert pod.metadata and pod.spec and pod.metadata.labels and pod.metadata.name
        assert waiting[pod.metadata.name] == pod.metadata.uid
        assert pod.metadata.labels["jobpods.warm"] == "claimed"
        assert 900 + 120 <= (pod.spec.active_deadline_seconds or 0) < 900 + 120 + 240
        open_gate(core, namespace, pod.metadata.name)
        second = running.result()
    assert second["job"]["status"] == "successful", second
    assert second["job"]["pod_name"] == pod.metadata.name
    start = {each["phase"]: each["detail"] for each in second["job"]["start"]}
    assert list(start) == ["queued", "creating", "sending", "playbook"]
    assert start["creating"] == f"warm pod {pod.metadata.name} claimed"
    assert pod.metadata.name not in await_idle(core, namespace, 2)


def test_who_goes_on_with_a_job_finds_its_claimed_pod(
    controller: Controller, warm: Options, core: client.CoreV1Api, namespace: str
) -> None:
    controller.verb("container_group_job", **warm)
    waiting = await_idle(core, namespace, 2)
    controller.project(site=GATED)
    job_id = controller.verb("container_group_job", **warm, wait=False)["job"]["id"]

    with controller.opened() as store:
        until(lambda: store.get(job_id).status == "running", "the playbook to begin")
        name = store.get(job_id).pod_name
    assert name in waiting
    for pid in controller.processes():
        if b"/entry.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    open_gate(core, namespace, name)
    waited = controller.verb("job_wait", job_id=job_id)
    assert waited["job"]["status"] == "successful", waited
    assert waited["job"]["pod_name"] == name
    until(lambda: not controller.processes(), "the adopter to end")


def test_twenty_launchers_share_four(
    tmp_path: Path, kubeconfig: Path, warm: Options, core: client.CoreV1Api, namespace: str
) -> None:
    group = {**warm["container_group"], "warm_pods": 4}
    asyncio.run(fill(kubeconfig, tmp_path, group))
    waiting = await_idle(core, namespace, 4)
    claims = claim_at_once(kubeconfig, tmp_path, group, processes=5, each=4)
    got = {claim.uid: claim for claim in claims if claim.pod}
    assert len(claims) == 20
    assert sum(bool(claim.pod) for claim in claims) == len(got), "none was claimed twice"
    assert set(waiting.values()) <= set(got), "who came late may have got what was made by others"
    assert not any(claim.warnings for claim in claims)
    for pod in core.list_namespaced_pod(namespace, label_selector="jobpods.job-uuid").items:
        assert pod.metadata and pod.metadata.labels and pod.metadata.uid
        assert pod.metadata.labels["jobpods.job-uuid"] == got[pod.metadata.uid].job_uuid
    assert not set(await_idle(core, namespace, 4).values()) & set(got)
    core.delete_collection_namespaced_pod(
        namespace, label_selector="jobpods.job-uuid", grace_period_seconds=0
    )


def test_quota_that_only_idle_pods_fill(
    controller: Controller, warm: Options, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    controller.verb("container_group_job", **warm)
    await_idle(core, namespace, 2)
    until(lambda: len(core.list_namespaced_pod(namespace).items) == 2, "the job's own pod to be gone")
    quota = client.V1ResourceQuota(
        metadata=client.V1ObjectMeta(name="two"), spec=client.V1ResourceQuotaSpec(hard={"pods": "2"})
    )
    core.create_namespaced_resource_quota(namespace, quota)

    def in_force() -> bool:
        status = core.read_namespaced_resource_quota("two", namespace).status
        return bool(status and (status.used or {}).get("pods") == "2")

    until(in_force, "the quota to be in force")
    played = controller.play([{"jobpods.controller.container_group_job": job}])
    assert played.result["job"]["status"] == "successful", played.terminal
    assert "idle warm pods deleted, since the quota left no room: 2" in " ".join(played.terminal.split())


def test_edited_group(
    controller: Controller, warm: Options, core: client.CoreV1Api, namespace: str, kubeconfig: Path
) -> None:
    def played(edition: str) -> Options:
        """The result of a job, once the group says this."""
        group = {
            "name": "warm",
            "kubeconfig": str(kubeconfig),
            "namespace": namespace,
            "warm_pods": 1,
            "pod_spec_override": {"metadata": {"labels": {"edition": edition}}},
        }
        image = warm["container_group"]["execution_environment"]
        job = {**warm, "container_group": "warm", "execution_environment": image}
        done = controller.play(
            [{"jobpods.controller.container_group": group}, {"jobpods.controller.container_group_job": job}]
        )
        assert done.rc == 0, done.terminal
        return done.results["localhost"][1]

    played("first")
    before = await_idle(core, namespace, 1)
    assert played("second")["job"]["pod_name"].startswith("automation-job-")
    until(lambda: not controller.processes(), "the refill to end")
    assert not set(await_idle(core, namespace, 1)) & set(before)


def test_who_may_not_patch_pods(
    controller: Controller, warm: Options, core: client.CoreV1Api, namespace: str, kubeconfig: Path
) -> None:
    pods, attach = ["get", "list", "watch", "create", "delete"], ["get", "create"]
    rules = [
        client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=pods),
        client.V1PolicyRule(api_groups=[""], resources=["pods/attach"], verbs=attach),
    ]
    named = client.V1ObjectMeta(name="narrow")
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata=named))
    rbac.create_namespaced_role(namespace, client.V1Role(metadata=named, rules=rules))
    subject = client.RbacV1Subject(kind="ServiceAccount", name="narrow", namespace=namespace)
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="narrow")
    binding = client.V1RoleBinding(metadata=named, role_ref=role, subjects=[subject])
    rbac.create_namespaced_role_binding(namespace, binding)
    asked = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    token = core.create_namespaced_service_account_token("narrow", namespace, asked).status
    cluster = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
    group = {
        **{name: value for name, value in warm["container_group"].items() if name != "kubeconfig"},
        "host": cluster["server"],
        "api_key": token.token if token else "",
        "ssl_ca_cert": base64.b64decode(cluster["certificate-authority-data"]).decode(),
    }
    played = controller.play([{"jobpods.controller.container_group_job": {**warm, "container_group": group}}])
    words = " ".join(played.terminal.split())
    assert played.result["job"]["status"] == "successful", words
    until(lambda: not controller.processes(), "the job process to end")
    assert f'The connection\'s user may not patch pods in the namespace "{namespace}"' in words
    assert '{apiGroups: [""], resources: [pods], verbs: [patch]}' in words
    assert not core.list_namespaced_pod(namespace).items
