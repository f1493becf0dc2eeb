# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that change while a client is in use, and the programs that give them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Limits
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    VERSION,
    ApiServer,
    document,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

DEADLINE = 30
UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")


@pytest.fixture
def once_refusing(server: ApiServer) -> ApiServer:
    server.on("GET", "/version", UNAUTHORIZED, document(VERSION))
    return server


def sent(server: ApiServer) -> list[str | None]:
    return [seen.authorization for seen in server.seen]


def write_kubeconfig(file: Path, server: ApiServer, authority: Authority, user: dict[str, Any]) -> Path:
    (file.parent / "ca.crt").write_text(authority.pem)
    cluster = {"server": server.url, "certificate-authority": "ca.crt"}
    content = {
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": cluster}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": user}],
    }
    file.write_text(yaml.safe_dump(content))
    return file


def exec_plugin(folder: Path, program: str) -> dict[str, Any]:
    """The user entry for an exec plugin written in Python."""
    (folder / "plugin.py").write_text(program)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(folder / "plugin.py")],
            "interactiveMode": "Never",
            "env": [{"name": "PREFIX", "value": "plugin"}],
        }
    }


COUNTING = """
import json, os, pathlib
counter = pathlib.Path(__file__).with_name("counter")
count = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(count))
print(json.dumps({
    "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
    "status": {"token": f"{os.environ['PREFIX']}-{count}"},
}))
"""


async def test_token_file_is_read_for_each_request(
    server: ApiServer, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    async with ClusterClient(replace(connection, token=None, token_file=str(file)), environ={}) as client:
        await client.check()
        file.write_text("second\n")
        await client.check()
    assert sent(server) == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [None, "", "two words\nand lines"], ids=["missing", "empty", "text"])
async def test_unreadable_token_file(connection: Connection, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    async with ClusterClient(replace(connection, token=None, token_file=str(file)), environ={}) as client:
        with pytest.raises(Failure, match=f"token file {file}") as caught:
            await client.check()
    assert caught.value.reason == "InvalidConfiguration"


async def test_kubeconfig_is_read_again_after_401(
    once_refusing: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    file = write_kubeconfig(tmp_path / "config", once_refusing, authority, {"token": "old"})
    found = resolve_connection({"kubeconfig": file}, {}, tmp_path)
    write_kubeconfig(file, once_refusing, authority, {"token": "new"})
    async with ClusterClient(found, environ={}) as client:
        assert await client.check() == VERSION
    assert sent(once_refusing) == ["Bearer old", "Bearer new"]


async def test_kubeconfig_that_is_gone_leaves_the_stored_token(
    once_refusing: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    file = write_kubeconfig(tmp_path / "config", once_refusing, authority, {"token": "old"})
    found = resolve_connection({"kubeconfig": file}, {}, tmp_path)
    file.unlink()
    async with ClusterClient(found, environ={}) as client:
        assert await client.check() == VERSION
    assert sent(once_refusing) == ["Bearer old", "Bearer old"]


async def test_second_401_is_final(server: ApiServer, connection: Connection) -> None:
    server.on("GET", "/version", UNAUTHORIZED)
    async with ClusterClient(connection, environ={}) as client:
        with pytest.raises(Failure) as caught:
            await client.check()
    assert (caught.value.reason, caught.value.http_status) == ("Unauthorized", 401)
    assert server.url in caught.value.message
    assert len(server.seen) == 2


async def test_basic_authentication(server: ApiServer, connection: Connection) -> None:
    basic = replace(connection, token=None, username="bob", password="p")  # noqa: S106
    async with ClusterClient(basic, environ={}) as client:
        await client.check()
    assert sent(server) == ["Basic Ym9iOnA="]


async def test_renewed_client_certificate_is_used(
    once_refusing: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    def user(name: str) -> dict[str, Any]:
        certificate, key = authority.issue(name)
        (tmp_path / f"{name}.crt").write_text(certificate)
        (tmp_path / f"{name}.key").write_text(key)
        return {"client-certificate": f"{name}.crt", "client-key": f"{name}.key"}

    file = write_kubeconfig(tmp_path / "config", once_refusing, authority, user("old"))
    found = resolve_connection({"kubeconfig": file}, {}, tmp_path)
    write_kubeconfig(file, once_refusing, authority, user("new"))
    async with ClusterClient(found, environ={}) as client:
        assert await client.check() == VERSION
    assert [seen.client_name for seen in once_refusing.seen] == ["old", "new"]


@pytest.mark.parametrize("inline", [False, True], ids=["file", "mapping"])
async def test_exec_plugin_is_asked_again_after_401(
    once_refusing: ApiServer, authority: Authority, tmp_path: Path, inline: bool
) -> None:
    user = exec_plugin(tmp_path, COUNTING)
    file = write_kubeconfig(tmp_path / "config", once_refusing, authority, user)
    source: Any = file
    if inline:
        source = yaml.safe_load(file.read_text())
        source["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "ca.crt")
    found = resolve_connection({"kubeconfig": source}, {}, tmp_path)
    async with ClusterClient(found, environ=os.environ) as client:
        assert await client.check() == VERSION
        await client.check()
    assert sent(once_refusing) == ["Bearer plugin-1", "Bearer plugin-2", "Bearer plugin-2"]


async def test_exec_plugin_with_a_certificate(
    server: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("from-plugin")
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"clientCertificateData": certificate, "clientKeyData": key},
    }
    user = exec_plugin(tmp_path, f"print({json.dumps(answer)!r})")
    file = write_kubeconfig(tmp_path / "config", server, authority, user)
    async with ClusterClient(resolve_connection({"kubeconfig": file}, {}, tmp_path)) as client:
        await client.check()
    assert (server.seen[0].client_name, server.seen[0].authorization) == ("from-plugin", None)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param(
            "import sys; sys.exit('session expired, log in again')", "session expired", id="failing"
        ),
        pytest.param("print('hello')", "gave no credentials", id="talking"),
        pytest.param("print('{}')", "gave no credentials", id="empty"),
    ],
)
async def test_exec_plugin_that_fails(
    server: ApiServer, authority: Authority, tmp_path: Path, program: str, words: str
) -> None:
    file = write_kubeconfig(tmp_path / "config", server, authority, exec_plugin(tmp_path, program))
    with pytest.raises(Failure, match=words) as caught:
        async with ClusterClient(resolve_connection({"kubeconfig": file}, {}, tmp_path)):
            pass
    assert caught.value.reason == "Unauthorized"
    assert str(file) in caught.value.message


async def test_exec_plugin_that_hangs_is_ended(
    server: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    program = """
import os, pathlib, time
pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
time.sleep(600)
"""
    file = write_kubeconfig(tmp_path / "config", server, authority, exec_plugin(tmp_path, program))
    connection = resolve_connection({"kubeconfig": file}, {}, tmp_path)
    for seconds in (2, 10, 50):  # a slow machine takes longer to come to the program
        with pytest.raises(Failure, match=f"gave no credentials within {seconds} s"):
            async with ClusterClient(connection, limits=Limits(login=seconds)):
                pass
        if (tmp_path / "pid").exists():
            break
    pid = int((tmp_path / "pid").read_text())
    async with deadline(DEADLINE):
        while _runs(pid):
            await asyncio.sleep(0.02)


async def test_missing_library_is_named(server: ApiServer, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "kubernetes.py").write_text("raise ImportError('No module named kubernetes')")
    file = write_kubeconfig(tmp_path / "config", server, authority, exec_plugin(tmp_path, COUNTING))
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with pytest.raises(Failure, match="needs the Python package kubernetes, 24.2 or newer") as caught:
        async with ClusterClient(resolve_connection({"kubeconfig": file}, {}, tmp_path), environ=environ):
            pass
    assert caught.value.reason == "InvalidConfiguration"


def _runs(pid: int) -> bool:
    """Whether a process exists and is no zombie, which only waits for its parent's look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
