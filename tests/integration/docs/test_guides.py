# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader follows each guide and README on the real cluster: writes its files, runs its commands and tasks.

Files that a document takes for given are in `GIVEN`. What stands for something of the reader's own, such as
the address of the cluster, is replaced by what `Reader.real` has for it. What a document shows of a command's
output must come.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.tests.doc_blocks import GUIDES, READMES, ROOT, Block, blocks
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, job_pods
from ansible_collections.jobpods.controller.tests.integration.playbooks import BIN, DEADLINE, Controller
from kubernetes import client

FOLLOWED = [path for path in (*GUIDES, *READMES) if any(not block.not_run for block in blocks(path))]
NAMESPACE = "ansible-jobs"
GIVEN = {
    "inventory": "[web]\nweb1\nweb2\n\n[all:vars]\nansible_connection=local\n"
    "ansible_python_interpreter=/usr/bin/python3\n",
    "project/site.yml": [
        {
            "name": "Set the web servers up",
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{"name": "Look at the host", "ansible.builtin.command": "uptime"}],
        }
    ],
    "project/fails.yml": [
        {
            "name": "Fail",
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{"name": "Fail", "ansible.builtin.fail": {}}],
        }
    ],
    "export.yml": (ROOT / "tests/unit/plugins/module_utils/verbs/awx/awx_export.yml").read_text(
        encoding="utf-8"
    ),
}
VARYING = [
    (re.compile(r"automation-job-\d+-[0-9a-f]{10}"), "automation-job-N"),
    (re.compile(r"\b\d+\.\d+ s\b"), "N s"),
    (re.compile(r"\*{3,}"), "***"),
    (re.compile(r"\s+"), " "),
]
"""What is another one each time."""


class Reader:
    """Somebody with a clone of the repository, an API server's address, and the token of a service account.

    The token's kubeconfig is `~/.kube/config`; the administrator's, which few guides need, is beside it.
    kubectl is the administrator's.
    """

    def __init__(self, controller: Controller, admin: Path, namespace: str, access: dict[str, Any]) -> None:
        self.controller = controller
        self.real = {
            "quay.io/ansible/awx-ee:latest": IMAGE,
            NAMESPACE: namespace,
            "https://kubernetes.example.com:6443": access["host"],
        }
        environ = controller.environ
        environ["PATH"] = f"{BIN}:{admin.parent}:{environ['PATH']}"
        environ["REGISTRY_PASSWORD"] = "r3gistry-s3cret"  # noqa: S105 - of no registry
        for name, content in GIVEN.items():
            controller.write(name, content)
        controller.write("token", access["token"])
        controller.write("ca.crt", access["ssl_ca_cert"])
        controller.write("home/.kube/config", token_kubeconfig(access))
        controller.write("home/.kube/admin.config", admin.read_text(encoding="utf-8"))
        key = controller.folder / "home/.ssh/deploy"
        key.parent.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self._exported: list[str] = []

    def follow(self, path: Path) -> None:
        """Does what a document says."""
        for block in blocks(path):
            if block.not_run:
                continue
            if block.file:
                self.controller.write(block.file, self._real(block.text))
            elif block.language == "console":
                for command in block.commands:
                    self._check(block, self._run(block, self._real(command.line)), command.output)
            else:
                tasks = yaml.safe_load(self._real(block.text))
                play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
                self.controller.write("tasks.yml", [play])
                self._run(block, "ansible-playbook tasks.yml")

    def _real(self, text: str) -> str:
        for shown, real in self.real.items():
            text = text.replace(shown, real)
        return text

    def _run(self, block: Block, line: str) -> str:
        """Runs one command; returns what it printed."""
        if line.startswith("export "):
            self._exported.append(line)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([*self._exported, line])],
            cwd=self.controller.folder,
            env=self.controller.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{block.place}: {line}\n{done.stdout}"
        return done.stdout

    def _check(self, block: Block, printed: str, shown: tuple[str, ...]) -> None:
        rest = without_varying(printed)
        for piece in shown:
            wanted = without_varying(self._real(piece))
            assert wanted in rest, f"{block.place} shows\n{wanted}\nbut this came:\n{printed}"
            rest = rest.partition(wanted)[2]


def without_varying(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.strip()


def token_kubeconfig(access: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig with a token."""
    ca = base64.b64encode(access["ssl_ca_cert"].encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "lab", "cluster": {"server": access["host"], "certificate-authority-data": ca}}
        ],
        "users": [{"name": "reader", "user": {"token": access["token"]}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "reader"}}],
        "current-context": "lab",
    }


@pytest.fixture
def reader(tmp_path: Path, kubeconfig: Path, namespace: str, core: client.CoreV1Api) -> Iterator[Reader]:
    """Who follows a guide; at the end, no pod may be left but those that wait for a job."""
    access = Controller(tmp_path / "admin").verb(
        "cluster_access",
        kubeconfig=str(kubeconfig),
        namespace=namespace,
        service_account="reader",
        token="long_lived",  # noqa: S106 - what kind of token
    )
    yield Reader(Controller(tmp_path / "reader"), kubeconfig, namespace, access)
    core.delete_collection_namespaced_pod(namespace, label_selector="jobpods.warm=idle")
    assert not job_pods(core, namespace)


@pytest.mark.parametrize("path", FOLLOWED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reader_gets_what_a_document_promises(reader: Reader, path: Path) -> None:
    reader.follow(path)
