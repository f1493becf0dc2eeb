# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries: a secret of each kind, given wherever one can be, is nowhere but where it has to be."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import (
    GATED,
    open_gate,
    verb,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Running, until
from kubernetes import client

Options = dict[str, Any]
Task = dict[str, Any]

SITE: list[Task] = [
    {"name": "Hide", "ansible.builtin.debug": {"msg": "{{ hidden }}"}, "no_log": True},
    {"name": "Tell", "ansible.builtin.debug": {"msg": "{{ hidden | length }} {{ vaulted }}"}},
    {"name": "Own", "ansible.builtin.command": "id -un", "become": True, "changed_when": False},
    *GATED,
    {
        "name": "Fail",
        "ansible.builtin.assert": {"that": "hidden == 'something else'"},
        "no_log": True,
        "when": "fails | default(false)",
    },
]


class Canaries:
    """Secrets that no other text has.

    Attributes:
        values: by what they are for.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def new(self, what: str) -> str:
        """A password."""
        return self.plant(what, f"c4n4ry-{what}-{uuid4().hex}")

    def plant(self, what: str, value: str) -> str:
        """A secret that somebody else made; of a key, the line in its middle counts."""
        lines = value.strip().splitlines()
        self.values[what] = lines[len(lines) // 2]
        return value

    def seen(self, content: bytes | str) -> list[str]:
        """Which of them are in a content, as they are or in base64."""
        found = content.encode() if isinstance(content, str) else content
        return [what for what, value in self.values.items() if any(form in found for form in _forms(value))]


@functools.cache
def _forms(value: str) -> tuple[bytes, ...]:
    """A secret as it is, and in base64 after any number of other bytes."""
    plain = value.encode()
    shifted = (base64.b64encode(b"x" * shift + plain)[4 : len(plain) * 4 // 3 - 4] for shift in range(3))
    return (plain, *shifted)


class Watch(threading.Thread):
    """Looks at the command line and environment of each process of this machine, nodes included.

    Attributes:
        leaks: canaries that it saw, with the process' command line.
        programs: command lines that it saw.
    """

    def __init__(self, canaries: Canaries) -> None:
        super().__init__()
        self.leaks: set[tuple[str, str]] = set()
        self.programs: set[str] = set()
        self._canaries = canaries
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    line = (process / "cmdline").read_bytes()
                    if not line:
                        continue  # a thread of the kernel's
                    words = line.replace(b"\0", b" ").decode(errors="replace")
                    self.programs.add(words)
                    for what in self._canaries.seen(line + (process / "environ").read_bytes()):
                        self.leaks.add((what, words))


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def key(tmp_path: Path, canaries: Canaries) -> Callable[[str], Options]:
    """Makes the inputs of a credential with a locked key."""

    def make(what: str) -> Options:
        path = tmp_path / "given" / what
        path.parent.mkdir(exist_ok=True)
        phrase = canaries.new(f"{what}-unlock")
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return {"ssh_key_data": canaries.plant(what, path.read_text()), "ssh_key_unlock": phrase}

    return make


@pytest.fixture
def token(core: client.CoreV1Api, namespace: str, canaries: Canaries) -> str:
    """Of a service account that may do anything in the namespace."""
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="cluster-admin")
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace=namespace)
    metadata = client.V1ObjectMeta(name="runner")
    rbac.create_namespaced_role_binding(
        namespace, client.V1RoleBinding(metadata=metadata, role_ref=role, subjects=[subject])
    )
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    made = core.create_namespaced_service_account_token("default", namespace, request)
    assert made.status
    return canaries.plant("token", str(made.status.token))


@contextmanager
def archive_server(files: Mapping[str, str], login: str) -> Iterator[str]:
    """Serves an archive with these files to whoever has the login; yields its address."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == wanted
            status = 401 if not known else 200 if self.path == "/site.tar.gz" else 404
            self.send_response(status)
            self.end_headers()
            if status == 200:
                self.wfile.write(packed.getvalue())

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def documents(core: client.CoreV1Api, namespace: str, *, secrets: bool) -> str:
    """What the API server keeps in a namespace, and the logs of its pods."""
    listed: list[Any] = [core.list_namespaced_pod(namespace), core.list_namespaced_event(namespace)]
    listed.append(core.list_namespaced_config_map(namespace))
    if secrets:
        listed.append(core.list_namespaced_secret(namespace))
    names = [pod.metadata.name for pod in listed[0].items]
    logs = [core.read_namespaced_pod_log(name, namespace) for name in names]
    written = client.ApiClient().sanitize_for_serialization(listed)  # type: ignore[no-untyped-call]
    return json.dumps(written) + "".join(logs)


def leaking_files(canaries: Canaries, *folders: Path) -> list[tuple[Path, list[str]]]:
    """The files below these folders that have a canary in them."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found = [(path, canaries.seen(path.read_bytes())) for path in files]
    return [(path, seen) for path, seen in found if seen]


def await_gate(core: client.CoreV1Api, namespace: str, running: Running) -> str:
    """Waits until the playbook waits; returns the pod's name."""
    running.await_text("TASK [Wait at the gate]")
    (pod,) = core.list_namespaced_pod(namespace).items
    assert pod.metadata
    return str(pod.metadata.name)


def test_secrets_are_nowhere_but_where_they_have_to_be(
    controller: Controller,
    core: client.CoreV1Api,
    namespace: str,
    kubeconfig: Path,
    temporary_files: Path,
    canaries: Canaries,
    token: str,
    key: Callable[[str], Options],
    tmp_path: Path,
) -> None:
    admin = json.loads(kubeconfig.read_text())
    cluster = admin["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    canaries.plant("client-key", base64.b64decode(admin["users"][0]["user"]["client-key-data"]).decode())
    given = tmp_path / "given"
    vault = canaries.new("vault")
    vaulted = controller.write("given/vaulted.yml", "vaulted: from the vault\n")
    password_file = controller.write("given/password", vault)
    controller.vault("encrypt", "--vault-id", f"prod@{password_file}", str(vaulted))
    play = {"hosts": "all", "gather_facts": False, "vars_files": ["vaulted.yml"], "tasks": SITE}
    files = {"site.yml": json.dumps([play]), "vaulted.yml": vaulted.read_text()}

    def machine(what: str) -> Options:
        passwords = {name: canaries.new(f"{what}-{name}") for name in ("password", "become_password")}
        return {"credential_type": "machine", "inputs": {**key(f"{what}-key"), **passwords}}

    stored, inline_machine, locked = machine("stored"), machine("inline"), machine("locked")
    locked["inputs"]["ssh_key_unlock"] = canaries.new("wrong-unlock")
    vault_inputs = {"vault_id": "prod", "vault_password": vault}
    registry = {"host": "localhost", "username": "me", "password": canaries.new("registry")}
    scm = {"username": "me", "password": canaries.new("scm")}
    by_scm = {"scm_type": "archive", "credential": "scm"}
    survey = {"question_name": "?", "variable": "hidden", "type": "password", "required": True}

    with archive_server(files, f"me:{scm['password']}") as address, Watch(canaries) as watch:
        good = [
            verb(
                "credential",
                name="token",
                credential_type="kubernetes_bearer_token",
                inputs={
                    "host": cluster["server"],
                    "bearer_token": token,
                    "ssl_ca_cert": authority,
                },
            ),
            verb("credential", name="machine", **stored),
            verb("credential", name="vault", credential_type="vault", inputs=vault_inputs),
            verb("credential", name="registry", credential_type="container_registry", inputs=registry),
            verb("credential", name="scm", credential_type="source_control", inputs=scm),
            verb("execution_environment", name="ee", image=IMAGE, pull="missing", credential="registry"),
            verb("container_group", name="pods", credential="token", namespace=namespace),
            verb("project", name="site", scm_url=f"{address}/site.tar.gz", **by_scm),
            verb("inventory", name="hosts", content={"all": {"hosts": {"here": LOCAL}}}),
            verb(
                "job_template",
                name="site",
                project="site",
                inventory="hosts",
                playbook="site.yml",
                credentials=["machine", "vault"],
                execution_environment="ee",
                instance_groups=["pods"],
                survey_enabled=True,
                survey_spec={"name": "", "description": "", "spec": [survey]},
                verbosity=4,
            ),
            verb("container_group_job", job_template="site", extra_vars={"hidden": canaries.new("survey")}),
        ]
        log = {"ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log")}
        with controller.playing(good, "-vvv", environ=log) as running:
            pod = await_gate(core, namespace, running)
            assert canaries.seen(documents(core, namespace, secrets=False)) == []
            assert canaries.seen(documents(core, namespace, secrets=True)) == ["registry"]  # to pull with
            assert leaking_files(canaries, controller.store, temporary_files) == []
            open_gate(core, namespace, pod)
            job = running.results()[-1]["job"]
        assert job["status"] == "successful", job
        assert canaries.seen(running.terminal) == []

        by_key = {"kubeconfig": str(kubeconfig), "namespace": namespace}
        host = {"host": cluster["server"], "ssl_ca_cert": authority, "namespace": namespace}
        inline = {
            "project": str(given), "playbook": "site.yml", "inventory": {"all": {"hosts": {"here": LOCAL}}},
            "execution_environment": {
                "image": IMAGE, "pull": "missing",
                "credential": {"credential_type": "container_registry", "inputs": registry},
            },
            "extra_vars": {"hidden": canaries.new("extra-vars"), "free": True, "fails": True},
            "verbosity": 4,
        }  # fmt: skip
        vaults = {"credential_type": "vault", "inputs": vault_inputs}
        controller.write("given/site.yml", [play])
        bad = [
            verb("project", name="gone", scm_url=f"{address}/gone.tar.gz", **by_scm),
            verb("project_update", project="gone"),
            verb("container_group_job", container_group={**host, "api_key": token},
                 credentials=[inline_machine, vaults], **inline),
            verb("container_group_job", container_group=by_key,
                 credentials=[locked], **inline),
            verb("container_group_job", container_group={"host": "https://127.0.0.1:1", "api_key": token},
                 credentials=[vaults], **inline),
            verb("job_info"),
            verb("object_info", kind="credential"),
        ]  # fmt: skip
        played = controller.play([{**task, "ignore_errors": True} for task in bad], "-vvv", environ=log)
    failures = [each["job"]["failure"] for each in played.results["localhost"] if "job" in each]
    assert [failure["reason"] for failure in failures] == [
        "ProjectUpdateFailed",
        "PlaybookFailed",
        "InvalidConfiguration",
        "ConnectionRefused",
    ], played.terminal
    assert canaries.seen(played.terminal) == []

    until(lambda: not controller.processes(), "the job processes to end")
    assert any("ansible-runner" in line for line in watch.programs)
    assert any("ansible-playbook" in line and "/runner" in line for line in watch.programs)
    assert watch.leaks == set()
    assert canaries.seen(documents(core, namespace, secrets=True)) == []
    assert len(canaries.seen((tmp_path / "play.yml").read_bytes())) > 5  # which gave them
    (tmp_path / "play.yml").unlink()
    for path in given.iterdir():
        path.unlink()
    assert leaking_files(canaries, tmp_path, temporary_files) == []
