# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git project behind a real SSH server, which is a pod of the cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.update import update_project
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import until
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    Told,
    files,
    project,
)
from kubernetes import client

PASSPHRASE = "s3cret phrase"  # noqa: S105 - of the test's own keys
SCRIPT = """
set -e
mkdir -p /run/sshd /root/.ssh /srv/website
chmod 700 /root/.ssh
printf '%s\\n' "$PUBLIC_KEY" > /root/.ssh/authorized_keys
cd /srv/website
git init --quiet --initial-branch=main
printf -- '- hosts: all\\n' > site.yml
git add site.yml
git -c user.name=A -c user.email=a@test commit --quiet --message=Begin
ssh-keygen -A > /dev/null
exec /usr/sbin/sshd -D -e
"""


@dataclass(frozen=True)
class SshServer:
    """An SSH server with a repository.

    Attributes:
        url: of the repository.
        key: locked private key of the one user that it knows.
    """

    url: str
    key: str


def ssh_key(folder: Path, passphrase: str) -> tuple[str, str]:
    """A private key and its public one."""
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    keys = path.read_text(), path.with_suffix(".pub").read_text().strip()
    path.unlink()
    path.with_suffix(".pub").unlink()
    return keys


@pytest.fixture
def server(core: client.CoreV1Api, namespace: str, tmp_path: Path) -> Iterator[SshServer]:
    private, public = ssh_key(tmp_path, PASSPHRASE)
    container = client.V1Container(
        name="sshd",
        image=IMAGE,
        image_pull_policy="IfNotPresent",
        command=["sh", "-c", SCRIPT],
        env=[client.V1EnvVar(name="PUBLIC_KEY", value=public)],
        readiness_probe=client.V1Probe(
            tcp_socket=client.V1TCPSocketAction(port=22), period_seconds=1, failure_threshold=60
        ),
    )
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(name="git"),
        spec=client.V1PodSpec(containers=[container], restart_policy="Never"),
    )
    core.create_namespaced_pod(namespace, pod)

    def address() -> str:
        status = core.read_namespaced_pod("git", namespace).status
        assert status is not None and status.phase != "Failed"
        ready = any(each.type == "Ready" and each.status == "True" for each in status.conditions or ())
        return str(status.pod_ip) if ready else ""

    until(lambda: bool(address()), "the SSH server to be ready", limit=120)
    yield SshServer(f"ssh://root@{address()}/srv/website", private)
    core.delete_namespaced_pod("git", namespace, grace_period_seconds=0)


async def updated(server: SshServer, data: Path, key: str) -> ProjectRevision:
    inputs = {"ssh_key_data": key, "ssh_key_unlock": PASSPHRASE}
    environ = {"SSH_AUTH_SOCK": os.environ.get("SSH_AUTH_SOCK", "")}
    source = project(data, inputs, environ, scm_url=server.url, timeout=60)
    told = Told()
    return await update_project(source, told, output=told.lines.append)


async def test_a_project_comes_by_ssh_with_its_own_key_only(server: SshServer, tmp_path: Path) -> None:
    data = tmp_path / "with blank"
    found = await updated(server, data, server.key)
    assert files(found.folder) == {"site.yml"}
    known = data / "projects" / "3" / "known_hosts"
    assert known.read_text().count("ssh-ed25519 ") == 1
    assert not any(server.key.encode() in path.read_bytes() for path in data.rglob("*") if path.is_file())

    with pytest.raises(Failure) as caught:
        await updated(server, data, ssh_key(tmp_path, PASSPHRASE)[0])
    assert caught.value.details == {"case": "authentication"}
    assert "Permission denied" in caught.value.message

    host = known.read_text().split()[0]
    other = ssh_key(tmp_path, "")[1].split()
    known.write_text(f"{host} {other[0]} {other[1]}\n")
    with pytest.raises(Failure) as caught:
        await updated(server, data, server.key)
    assert caught.value.details == {"case": "host_key"}
    assert str(known) in caught.value.hint
    assert known.read_text() == f"{host} {other[0]} {other[1]}\n"
