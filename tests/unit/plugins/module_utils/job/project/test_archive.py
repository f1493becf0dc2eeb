# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of projects: from files and by HTTP, with a login, with limits."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project import archive, unpack
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import ProjectSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.update import (
    find_revision,
    update_project,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.git_server import (
    GitServer,
    git_server,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    PLAYBOOK,
    Told,
    files,
    project,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.test_unpack import (
    file,
    tar,
    zipped,
)

DEADLINE = 120
PASSWORD = "s3cret/pass"  # noqa: S105 - of the test's own server
CONTENT = tar(file("website-1/site.yml", PLAYBOOK.encode()))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "website.tar.gz").write_bytes(CONTENT)
    async with git_server(tmp_path / "served") as made:
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(autouse=True)
def nothing_left(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No descriptor, no temporary file or folder."""
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    yield
    assert list((tmp_path / "t").iterdir()) == []
    assert list(data.glob("projects/3/tmp-*")) == []


def packed(data: Path, url: str, inputs: dict[str, str] | None = None, **options: Any) -> ProjectSource:
    return project(data, inputs, scm_type="archive", scm_url=url, **options)


async def updated(source: ProjectSource, told: Told, **how: Any) -> ProjectRevision:
    async with deadline(DEADLINE):
        return await update_project(source, told, output=told.lines.append, **how)


async def failed(work: Awaitable[object]) -> Failure:
    with pytest.raises(Failure) as caught:
        await work
    return caught.value


@pytest.mark.parametrize("form", ["{path}", "file://{path}"])
async def test_an_archive_of_this_machine(tmp_path: Path, data: Path, told: Told, form: str) -> None:
    path = tmp_path / "website.zip"
    path.write_bytes(zipped(file("website/site.yml", PLAYBOOK.encode())))
    found = await updated(packed(data, form.format(path=path)), told)
    revision = hashlib.sha256(path.read_bytes()).hexdigest()[:40]
    assert found == ProjectRevision(data / "projects" / "3" / "revisions" / revision, revision)
    assert files(found.folder) == {"site.yml"}
    assert told.lines == [
        f"getting {path}",
        f"the archive has {path.stat().st_size} bytes, revision {revision}",
        "unpacked 1 files",
        f"revision {revision} is in {found.folder}",
        "playbooks: site.yml",
    ]


async def test_an_archive_by_http(server: GitServer, data: Path, told: Told) -> None:
    source = packed(data, f"{server.url}/website.tar.gz")
    found = await updated(source, told)
    assert found.revision == hashlib.sha256(CONTENT).hexdigest()[:40]
    assert files(found.folder) == {"site.yml"}
    told.lines.clear()
    assert await updated(source, told) == found
    assert f"revision {found.revision} is already here" in told.lines
    (found.folder / "mine").touch()
    assert await updated(packed(data, source.url, scm_clean=True), told) == found
    assert files(found.folder) == {"site.yml"}


async def test_a_newer_archive_is_another_revision(
    server: GitServer, data: Path, told: Told, tmp_path: Path
) -> None:
    source = packed(data, f"{server.url}/website.tar.gz")
    first = await updated(source, told)
    (tmp_path / "served" / "website.tar.gz").write_bytes(tar(file("new.yml", PLAYBOOK.encode())))
    second = await updated(source, told)
    assert files(second.folder) == {"new.yml"}
    assert await find_revision(source, first.revision, told, output=told.lines.append) == first
    (first.folder / "site.yml").unlink()
    first.folder.rmdir()
    with pytest.raises(Failure) as caught:
        await find_revision(source, first.revision, told, output=told.lines.append)
    assert caught.value.reason == "ProjectNotFound"
    other = packed(tmp_path / "other", source.url)
    found = await find_revision(other, second.revision, told, output=told.lines.append)
    assert files(found.folder) == {"new.yml"}


async def test_a_login_is_given(server: GitServer, data: Path, told: Told) -> None:
    server.login = ("me", PASSWORD)
    inputs = {"username": "me", "password": PASSWORD}
    await updated(packed(data, f"{server.url}/website.tar.gz", inputs), told)
    assert server.given == [("me", PASSWORD)]
    assert PASSWORD not in "\n".join(told.lines)


@pytest.mark.parametrize("inputs", [None, {"username": "me", "password": "wr0ng"}], ids=["none", "wrong"])
async def test_a_refused_login_is_told(
    server: GitServer, data: Path, told: Told, inputs: dict[str, str] | None
) -> None:
    server.login = ("me", PASSWORD)
    failure = await failed(updated(packed(data, f"{server.url}/website.tar.gz", inputs), told))
    assert failure.reason == "ProjectUpdateFailed"
    assert failure.message == f"{server.url}/website.tar.gz refuses the login (401 Unauthorized)."
    assert "wr0ng" not in f"{failure}{told.lines}"


async def test_the_login_is_for_this_server_only(
    server: GitServer, data: Path, told: Told, tmp_path: Path
) -> None:
    async with git_server(tmp_path / "served") as other:
        server.redirect = other.url
        inputs = {"username": "me", "password": PASSWORD}
        await updated(packed(data, f"{server.url}/website.tar.gz", inputs), told)
        assert (server.given, other.given) == ([("me", PASSWORD)], [None])


async def test_tls_is_not_left_on_the_way(data: Path, told: Told, tmp_path: Path, server: GitServer) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_text(authority.pem)

    async def redirect(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{server.url}/website.tar.gz")

    application = web.Application()
    application.router.add_get("/{path:.*}", redirect)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    context = server_context(tmp_path / "tls", *authority.issue("127.0.0.1"))
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/website.tar.gz"
    try:
        failure = await failed(updated(packed(data, url), told))
        assert "The archive can't be got: " in failure.message and "certificate" in failure.message
        trusting = project(
            data, None, {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}, scm_type="archive", scm_url=url
        )
        failure = await failed(updated(trusting, told))
        assert failure.message == f"{url} is sent on to an address without TLS."
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("url", "words", "retryable"),
    [
        pytest.param("{server}/none.tar.gz", "answers 404 Not Found", False, id="not-found"),
        pytest.param("http://127.0.0.1:1/x.tgz", "connection refused", True, id="closed-port"),
        pytest.param("http://no-such-host.invalid/x.tgz", "can't be resolved", True, id="host"),
        pytest.param("{folder}/none.tgz", "can't be read: No such file or directory", False, id="no-file"),
        pytest.param("{folder}/t", "is no file", False, id="folder"),
    ],
)
async def test_what_can_t_be_got_is_told(
    server: GitServer, tmp_path: Path, data: Path, told: Told, url: str, words: str, retryable: bool
) -> None:
    source = packed(data, url.format(server=server.url, folder=tmp_path), timeout=60)
    failure = await failed(updated(source, told))
    assert failure.reason == "ProjectUpdateFailed"
    assert words in failure.message
    assert failure.retryable == retryable


async def test_a_broken_server_may_be_well_again_later(server: GitServer, data: Path, told: Told) -> None:
    server.broken = True
    failure = await failed(updated(packed(data, f"{server.url}/website.tar.gz"), told))
    assert "answers 503 Service Unavailable" in failure.message
    assert failure.retryable


@pytest.mark.parametrize("form", ["{server}/website.tar.gz", "{folder}/served/website.tar.gz"])
async def test_an_archive_that_is_too_large_is_refused(
    server: GitServer, data: Path, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(archive, "ARCHIVE_LIMIT", 1 << 20)
    (tmp_path / "served" / "website.tar.gz").write_bytes(os.urandom((1 << 20) + 1))
    failure = await failed(updated(packed(data, form.format(server=server.url, folder=tmp_path)), told))
    assert failure.message.endswith("website.tar.gz has more than 1 MiB.")


async def test_a_server_that_hangs_is_given_up(
    server: GitServer, data: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.hangs = True
    url = f"{server.url}/website.tar.gz"
    failure = await failed(updated(packed(data, url, timeout=1), told))
    assert failure.message.startswith("getting the archive was stopped: the update took longer than ")
    monkeypatch.setattr(archive, "SILENCE", 0.2)
    failure = await failed(updated(packed(data, url), told))
    assert (failure.message, failure.retryable) == (f"{url} sent nothing for 0 s.", True)


async def test_cancel_while_it_comes(server: GitServer, data: Path, told: Told) -> None:
    server.hangs = True
    cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
    source = packed(data, f"{server.url}/website.tar.gz")
    task = asyncio.create_task(updated(source, told, cancel=cancel))
    await asyncio.wait_for(server.asked.wait(), DEADLINE)
    cancel.set_result(Failure("Canceled", "Enough."))
    assert (await failed(task)).message == "Enough."


async def test_cancel_while_it_is_unpacked(
    tmp_path: Path, data: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.tgz"
    path.write_bytes(tar(*(file(f"f{number}") for number in range(3000))))
    cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
    loop, take = asyncio.get_running_loop(), unpack._Unpacker._take

    def taking(self: unpack._Unpacker, entry: unpack.Entry) -> None:
        take(self, entry)
        if entry.name == "f9":
            loop.call_soon_threadsafe(cancel.set_result, Failure("Canceled", "Enough."))
        if entry.name == "f2999":
            raise AssertionError("it went on to the end")
        if int(entry.name[1:]) > 9:
            time.sleep(0.002)

    monkeypatch.setattr(unpack._Unpacker, "_take", taking)
    assert (await failed(updated(packed(data, str(path)), told, cancel=cancel))).message == "Enough."
    assert list((data / "projects" / "3" / "revisions").iterdir()) == []


async def test_a_hostile_archive_leaves_nothing(tmp_path: Path, data: Path, told: Told) -> None:
    path = tmp_path / "evil.tgz"
    path.write_bytes(tar(file("site.yml"), file("../../../../evil")))
    failure = await failed(updated(packed(data, str(path)), told))
    assert failure.message.startswith("The archive is refused. ")
    assert files(tmp_path) == {"evil.tgz", "data/projects/3/lock"}
