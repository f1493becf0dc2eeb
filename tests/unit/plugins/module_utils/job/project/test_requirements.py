# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project requires is installed beside it: real ansible-galaxy, from files, git and an index."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.requirements import (
    Requirements,
    find_requirements,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.update import update_project
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.git_server import (
    git_server,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    Repository,
    Told,
    files,
    project,
)

DEADLINE = 180


def text(content: Any) -> str:
    """As YAML: JSON is."""
    return json.dumps(content)


def collection(folder: Path, version: str = "1.0.0") -> Path:
    """Builds collection `acme.tools`; returns its archive."""
    source = folder / "source"
    source.mkdir(parents=True)
    facts = {
        "namespace": "acme",
        "name": "tools",
        "version": version,
        "readme": "README.md",
        "authors": ["A"],
    }
    (source / "galaxy.yml").write_text(text(facts))
    (source / "README.md").touch()
    galaxy = Path(sys.executable).parent / "ansible-galaxy"
    environ = {**os.environ, "ANSIBLE_HOME": str(folder / "home")}
    command = [str(galaxy), "collection", "build", "--output-path", str(folder), str(source)]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    return folder / f"acme-tools-{version}.tar.gz"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("collection"))


def role(folder: Path, name: str = "web") -> Repository:
    made = Repository(folder / f"{name}.git")
    made.commit({"tasks/main.yml": "[]", "meta/main.yml": text({"galaxy_info": {"author": "A"}})})
    return made


async def updated(
    folder: Path,
    required: Mapping[str, str],
    told: Told,
    *,
    inputs: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> ProjectRevision:
    """Updates a project with these files, which lies in git."""
    repository = Repository(folder / "project.git")
    repository.commit(required)
    given = {"scm_url": str(repository.folder), **options}
    source = project(folder / "data", inputs, environ, **given)
    async with deadline(DEADLINE):
        return await update_project(source, told, output=told.lines.append)


MANIFEST = ".jobpods/collections/ansible_collections/acme/tools/MANIFEST.json"
ROLE = ".jobpods/roles/web/tasks/main.yml"


# --- which there are -----


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"roles/requirements.yml": "[{src: a}]"}, ["roles/requirements.yml roles"], id="roles"),
        pytest.param({"roles/requirements.yaml": "[{src: a}]"}, ["roles/requirements.yaml roles"], id="yaml"),
        pytest.param(
            {"roles/requirements.yml": "roles: [{src: a}]"},
            ["roles/requirements.yml roles"],
            id="roles-mapping",
        ),
        pytest.param(
            {"collections/requirements.yml": "collections: [a.b]"},
            ["collections/requirements.yml collections"],
            id="collections",
        ),
        pytest.param(
            {"requirements.yml": "collections: [a.b]\nroles: [{src: a}]"},
            ["requirements.yml roles", "requirements.yml collections"],
            id="both-at-the-top",
        ),
        pytest.param({"requirements.yml": "[{src: a}]"}, ["requirements.yml roles"], id="list-at-the-top"),
        pytest.param(
            {"roles/requirements.yml": "[]", "collections/requirements.yml": "collections: []"},
            [],
            id="empty",
        ),
        pytest.param({"requirements.yml": "roles: []\ncollections:\n"}, [], id="empty-at-the-top"),
        pytest.param(
            {"collections/requirements.yml": "{ no yaml"},
            ["collections/requirements.yml collections"],
            id="unreadable",
        ),
    ],
)
def test_requirements_are_found_in_awx_s_places(
    tmp_path: Path, there: dict[str, str], expected: list[str]
) -> None:
    for name, content in there.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = [Requirements(*words.split()) for words in expected]  # type: ignore[arg-type]
    assert find_requirements(tmp_path) == found


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "outside").write_text("[{src: a}]")
    (tmp_path / "project" / "requirements.yml").symlink_to("../outside")
    with pytest.raises(Failure, match=r"requirements.yml of the project is a link out of it"):
        find_requirements(tmp_path / "project")


# --- from where -----


async def test_from_files_and_git(tmp_path: Path, archive: Path) -> None:
    told = Told()
    required = {
        "roles/requirements.yml": text(
            [{"src": role(tmp_path).folder.as_uri(), "scm": "git", "name": "web"}]
        ),
        "collections/requirements.yml": text({"collections": [{"name": str(archive), "type": "file"}]}),
    }
    found = await updated(tmp_path, required, told)
    assert {ROLE, MANIFEST, "site.yml"} <= files(found.folder)
    assert "installing roles of roles/requirements.yml" in told.lines
    assert any("acme.tools:1.0.0 was installed successfully" in line for line in told.lines)
    assert not any("[WARNING]" in line for line in told.lines)
    assert not (tmp_path / "data" / "projects" / "3" / "galaxy").exists()


async def test_from_both_halves_of_one_file(tmp_path: Path, archive: Path) -> None:
    required = text(
        {
            "roles": [{"src": role(tmp_path).folder.as_uri(), "scm": "git", "name": "web"}],
            "collections": [{"name": str(archive), "type": "file"}],
        }
    )
    found = await updated(tmp_path, {"requirements.yml": required}, Told())
    assert {ROLE, MANIFEST} <= files(found.folder)


async def test_what_is_not_pinned_is_followed_though_the_project_stays(tmp_path: Path) -> None:
    told, moving = Told(), role(tmp_path)
    required = text([{"src": moving.folder.as_uri(), "scm": "git", "name": "web"}])
    first = await updated(tmp_path, {"roles/requirements.yml": required}, told)
    moving.commit({"tasks/new.yml": "[]"})
    source = project(tmp_path / "data", scm_url=str(tmp_path / "project.git"))
    with first.held():
        waiting = asyncio.create_task(update_project(source, told, output=told.lines.append))
        async with deadline(DEADLINE):
            while sum("was installed successfully" in line for line in told.lines) < 2:
                await asyncio.sleep(0.05)
        done, _pending = await asyncio.wait((waiting,), timeout=0.5)
        assert not done
        assert not (first.folder / ".jobpods/roles/web/tasks/new.yml").exists()
    async with deadline(DEADLINE):
        again = await waiting
    assert again == first
    assert (first.folder / ".jobpods/roles/web/tasks/new.yml").exists()


@asynccontextmanager
async def index(archive: Path, token: str = "") -> AsyncIterator[str]:
    """An index of collections with one in it (Galaxy's API, version 3); gives its URL."""
    about, base = "/api/v3/collections/acme/tools/", "/api/v3/collections/acme/tools/versions/"
    moment = "2026-01-01T00:00:00Z"

    async def answer(request: web.Request) -> web.StreamResponse:
        if token and request.headers.get("Authorization") != f"Token {token}":
            raise web.HTTPUnauthorized
        if request.path == f"/{archive.name}":
            return web.FileResponse(archive)
        here = str(request.url.origin())
        answers: dict[str, Any] = {
            "/api/": {"available_versions": {"v3": "v3/"}},
            about: {"namespace": "acme", "name": "tools", "created_at": moment, "updated_at": moment},
            base: {
                "meta": {"count": 1},
                "data": [{"version": "1.0.0", "href": f"{base}1.0.0/"}],
                "links": {"next": None},
            },
            f"{base}1.0.0/": {
                "version": "1.0.0",
                "href": f"{base}1.0.0/",
                "namespace": {"name": "acme"},
                "collection": {"name": "tools"},
                "download_url": f"{here}/{archive.name}",
                "artifact": {"sha256": sha256(archive.read_bytes()).hexdigest()},
                "metadata": {"dependencies": {}},
                "signatures": [],
            },
        }
        if request.path not in answers:
            raise web.HTTPNotFound
        return web.json_response(answers[request.path])

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


COLLECTIONS = {"collections/requirements.yml": text({"collections": ["acme.tools"]})}


async def test_from_an_index_of_the_project_s_ansible_cfg(tmp_path: Path, archive: Path) -> None:
    told = Told()
    async with index(archive, "t0ken-s3cret") as url:
        settings = f"""
[defaults]
log_path = {tmp_path}/log
roles_path = {tmp_path}/elsewhere
[galaxy]
server_list = local
token_path = {tmp_path}/other-token
[galaxy_server.local]
url = {url}
token = t0ken-s3cret
"""
        found = await updated(tmp_path, {**COLLECTIONS, "ansible.cfg": settings}, told)
    assert MANIFEST in files(found.folder)
    assert not (tmp_path / "log").exists()  # what else it says is for the pod
    assert "s3cret" not in "\n".join(told.lines)


async def test_from_an_index_that_the_administrator_has_set(tmp_path: Path, archive: Path) -> None:
    async with index(archive, "t0ken") as url:
        environ = {
            "ANSIBLE_GALAXY_SERVER_LIST": "local",
            "ANSIBLE_GALAXY_SERVER_LOCAL_URL": url,
            "ANSIBLE_GALAXY_SERVER_LOCAL_TOKEN": "t0ken",
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "elsewhere"),
        }
        found = await updated(tmp_path, COLLECTIONS, Told(), environ=environ)
    assert MANIFEST in files(found.folder)
    assert not (tmp_path / "elsewhere").exists()


async def test_from_git_with_the_project_s_own_credential(tmp_path: Path) -> None:
    role(tmp_path / "served")
    repository = Repository(tmp_path / "served" / "private.git")
    async with git_server(tmp_path / "served") as server:
        server.login = ("me", "s3cret")
        required = text([{"src": f"{server.url}/web.git", "scm": "git"}])
        repository.commit({"roles/requirements.yml": required})
        source = project(
            tmp_path / "data",
            {"username": "me", "password": "s3cret"},
            scm_url=f"{server.url}/private.git",
        )
        told = Told()
        async with deadline(DEADLINE):
            found = await update_project(source, told, output=told.lines.append)
    assert ROLE in files(found.folder)


# --- what goes wrong -----


async def failure_of(folder: Path, required: Mapping[str, str], told: Told, **how: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await updated(folder, required, told, **how)
    assert list((folder / "data" / "projects" / "3" / "revisions").glob("*/")) == []
    return caught.value


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        pytest.param("collections/requirements.yml", "{ no yaml", "", id="unreadable"),
        pytest.param(
            "collections/requirements.yml",
            text({"collections": [{"name": "/no/such.tar.gz", "type": "file"}]}),
            "/no/such.tar.gz",
            id="missing-file",
        ),
        pytest.param(
            "roles/requirements.yml",
            text([{"src": "file:///no/such/role.git", "scm": "git"}]),
            "/no/such/role.git",
            id="missing-repository",
        ),
        pytest.param(
            "roles/requirements.yml", text([{"src": "git+ext::id"}]), "", id="protocol-that-is-not-allowed"
        ),
    ],
)
async def test_what_can_t_be_installed_is_told(tmp_path: Path, path: str, content: str, words: str) -> None:
    told = Told()
    failure = await failure_of(tmp_path, {path: content}, told)
    assert (failure.reason, failure.details) == (
        "ProjectUpdateFailed",
        {"case": "requirements", "path": path},
    )
    kind = path.partition("/")[0]
    assert failure.message.startswith(f"The {kind} of {path} can't be installed: ")
    assert words in failure.message
    assert failure.traceback


async def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project.git")
    (tmp_path / "outside").mkdir()
    (repository.folder / ".jobpods").symlink_to(tmp_path / "outside")
    repository.commit({})
    repository.commit(
        {"roles/requirements.yml": text([{"src": role(tmp_path).folder.as_uri(), "scm": "git"}])}
    )
    source, told = project(tmp_path / "data", scm_url=str(repository.folder)), Told()
    with pytest.raises(
        Failure, match=r"The project has an entry .jobpods, where its requirements are to be put"
    ):
        await update_project(source, told, output=told.lines.append)
    assert list((tmp_path / "outside").iterdir()) == []


async def test_an_ansible_cfg_that_can_t_be_read_is_told(tmp_path: Path) -> None:
    failure = await failure_of(tmp_path, {**COLLECTIONS, "ansible.cfg": "no settings"}, Told())
    assert failure.reason == "InvalidConfiguration"
    assert failure.message.startswith("ansible.cfg of the project can't be read: ")


async def test_no_ansible_galaxy_on_the_controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (tmp_path / "bin").mkdir()
    for name in ("git", "sh", "cat"):
        path = next(Path(each, name) for each in os.get_exec_path() if Path(each, name).exists())
        (tmp_path / "bin" / name).symlink_to(path)
    failure = await failure_of(tmp_path, COLLECTIONS, Told(), environ={"PATH": str(tmp_path / "bin")})
    assert failure.message.startswith("ansible-galaxy can't be started on the controller node: ")
