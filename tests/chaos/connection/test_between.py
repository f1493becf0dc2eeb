# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between controller and API server: balancers, proxies, other clients."""

from __future__ import annotations

import base64
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.chaos.connection.conftest import free_port
from ansible_collections.jobpods.controller.tests.chaos.connection.front import (
    BUSY,
    CUT,
    EXPIRED,
    GONE,
    Front,
)
from ansible_collections.jobpods.controller.tests.chaos.connection.http_proxy import (
    PASSWORD,
    USER,
    answer_without_login,
    running_proxy,
)
from ansible_collections.jobpods.controller.tests.chaos.connection.numbered import (
    AGAIN,
    NumberedJobs,
    Numbers,
)
from ansible_collections.jobpods.controller.tests.integration.conftest import LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import until
from kubernetes import client

Options = dict[str, Any]
QUIET = Numbers(lines=2)
QUIET_FOR = 80.0
"""Seconds between its lines: two times and a half of what the proxy bears, where nobody else speaks."""
REFUSED = Numbers(lines=150)
WIDE = Numbers(lines=300, width=100_000, end="/tmp/the-end")


@pytest.fixture
def front(local_cluster: LocalCluster, api_server: str, tmp_path: Path) -> Iterator[Front]:
    """A load balancer that has the admin's certificate, so that who asks it needs none."""
    pki = local_cluster.root / "pki"
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    with Front(api_server, context, tmp_path / "front").running() as running:
        yield running


def test_refusals_a_stopped_client_and_idle_cuts(
    jobs: NumberedJobs,
    front: Front,
    local_cluster: LocalCluster,
    namespace: str,
    core: client.CoreV1Api,
    api_server: str,
    local: Path,
    tmp_path: Path,
) -> None:
    port = free_port()
    with running_proxy(local / "cache" / "debian", tmp_path, port) as log:
        assert " 407 " in answer_without_login(port, api_server)
        proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"
        kubeconfig = jobs.connection("proxy-url", proxy_url=proxy)
        # A proxy of the environment does not count for this machine's loopback addresses.
        elsewhere = jobs.connection("https-proxy", f"https://{node_address(core, api_server)}")
        quiet = [
            jobs.start(QUIET, kubeconfig, pace=QUIET_FOR),
            jobs.start(QUIET, elsewhere, pace=QUIET_FOR, environ={"HTTPS_PROXY": proxy}),
        ]
        check_refusals(jobs, front)
        check_stopped_client(jobs, namespace, local_cluster)

        for job in quiet:
            jobs.check(job, QUIET)
        # The watches, which bring nothing for so long; the attached streams have their beats.
        assert log.read_text(encoding="utf-8").count("Idle Timeout") >= len(quiet)
        assert not any(job.breaks for job in quiet)


def check_refusals(jobs: NumberedJobs, front: Front) -> None:
    """A job through a load balancer that refuses at each step, and later cuts and refuses again."""
    front.next_answers("create", BUSY, CUT, BUSY)
    front.next_answers("watch", GONE, EXPIRED, BUSY, CUT)
    front.next_answers("attach", BUSY, CUT, BUSY)
    front.next_answers("get", BUSY)
    ca = base64.b64encode(front.ca_pem.encode()).decode()
    group = jobs.connection("front", front.port, {"token": "none"}, certificate_authority_data=ca)
    job = jobs.start(REFUSED, group, pace=0.2)
    job.await_line(10)
    until(lambda: not front.waiting("watch"), "the watch to have met all refusals")
    front.next_answers("watch", BUSY, GONE, EXPIRED)
    front.next_answers("get", BUSY, CUT)
    front.next_answers("attach", CUT, BUSY, BUSY)
    for kind in ("watch", "attach"):
        front.cut(kind)
    until(lambda: not front.waiting("watch") and not front.waiting("attach"), "them to have met these, too")
    front.next_answers("delete", BUSY, CUT)
    jobs.check(job, REFUSED)
    assert job.breaks == 1
    assert front.done == {
        ("create", BUSY): 2,
        ("create", CUT): 1,
        ("watch", GONE): 2,
        ("watch", EXPIRED): 2,
        ("watch", BUSY): 2,
        ("watch", CUT): 1,
        ("attach", BUSY): 4,
        ("attach", CUT): 2,
        ("get", BUSY): 2,
        ("get", CUT): 1,
        ("delete", BUSY): 1,
        ("delete", CUT): 1,
    }


def check_stopped_client(jobs: NumberedJobs, namespace: str, cluster: LocalCluster) -> None:
    """Containerd waits for each attached client in turn: nobody gets more output than one that is stopped."""
    job = jobs.start(WIDE, pace=0.02)
    pod = job.pod
    job.await_line(1)
    kubectl = [str(cluster.root / "kubectl"), "--namespace", namespace]
    command = [*kubectl, "attach", "--stdin", pod, "--container", "worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as foreign:
        assert foreign.stdout is not None
        try:
            foreign.stdout.read(1)  # so it is attached
            os.kill(foreign.pid, signal.SIGSTOP)
            test_end = [*kubectl, "exec", pod, "--container", "worker", "--", "test", "-e", WIDE.end]
            until(
                lambda: subprocess.run(test_end, capture_output=True, check=False).returncode == 0,
                "the playbook to end",
            )
            shown = job.terminal.count("(item=")
            time.sleep(20)  # longer than a conversation bears silence
            assert job.terminal.count("(item=") == shown < WIDE.lines
            os.kill(foreign.pid, signal.SIGCONT)
        finally:
            foreign.kill()
    jobs.check(job, WIDE)
    assert AGAIN in job.terminal


def node_address(core: client.CoreV1Api, api_server: str) -> str:
    """Host and port of the API server as the node's pods know it: no loopback address."""
    (node,) = core.list_node().items
    assert node.status is not None
    (address,) = (each.address for each in node.status.addresses or () if each.type == "InternalIP")
    return f"{address}:{api_server.rpartition(':')[2]}"
