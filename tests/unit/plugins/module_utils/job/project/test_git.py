# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates of git projects: real git, over files and HTTP, with real agents for keys."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project import commands, git_access
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import ProjectSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.update import (
    find_revision,
    update_project,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import processes
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.git_server import (
    GitServer,
    git_server,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    PLAYBOOK,
    Repository,
    Told,
    files,
    project,
)

DEADLINE = 120
PASSWORD = "s3cret/p@ss word"  # noqa: S105 - of the test's own server


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "served" / "website.git")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    (tmp_path / "served").mkdir(exist_ok=True)
    async with git_server(tmp_path / "served") as made:
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def told() -> Told:
    return Told()


def children() -> set[int]:
    """Our processes; the tests' own PostgreSQL server may be one of them."""
    return {pid for pid, parent in processes().items() if parent == os.getpid()}


@pytest.fixture(autouse=True)
def nothing_left(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no temporary folder, no secret in any file."""
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    before = children()
    yield
    assert list((tmp_path / "t").iterdir()) == []
    assert list(data.glob("projects/3/tmp-*")) == []
    assert children() <= before
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PASSWORD.encode() not in content and b"s3cret" not in content


async def updated(source: ProjectSource, told: Told, **how: Any) -> ProjectRevision:
    async with deadline(DEADLINE):
        return await update_project(source, told, output=told.lines.append, **how)


async def failed(work: Awaitable[object]) -> Failure:
    with pytest.raises(Failure) as caught:
        await work
    return caught.value


# --- what is checked out -----


async def test_the_default_branch_becomes_a_plain_folder(
    repository: Repository, data: Path, told: Told
) -> None:
    last = repository.commit({"roles/web/tasks/main.yml": "[]", "run.sh": "#!/bin/sh\n"}, "Add a role")
    (repository.folder / "run.sh").chmod(0o755)
    (repository.folder / "link").symlink_to("run.sh")
    last = repository.commit({}, "Make it run")
    found = await updated(project(data, scm_url=str(repository.folder)), told)
    assert found == ProjectRevision(data / "projects" / "3" / "revisions" / last, last)
    assert files(found.folder) == {"site.yml", "run.sh", "link", "roles/web/tasks/main.yml"}
    assert os.access(found.folder / "run.sh", os.X_OK)
    assert os.readlink(found.folder / "link") == "run.sh"
    assert (data / "projects" / "3").stat().st_mode & 0o777 == 0o700
    assert told.lines == [
        f"fetching {repository.folder}",
        f"the default branch is commit {last}: Make it run",
        f"revision {last} is in {found.folder}",
        "playbooks: site.yml",
    ]
    assert told.warnings == []


@pytest.mark.parametrize(
    "branch",
    ["feature/x", "refs/heads/feature/x", "origin/feature/x", "v1.0", "refs/tags/v1.0", "COMMIT", "SHORT"],
)
async def test_a_branch_a_tag_or_a_commit(
    repository: Repository, data: Path, told: Told, branch: str
) -> None:
    repository.git("checkout", "--quiet", "-b", "feature/x")
    wanted = repository.commit({"feature.yml": PLAYBOOK})
    repository.git("tag", "--annotate", "--message=One", "v1.0")
    repository.git("checkout", "--quiet", "main")
    repository.commit({"main.yml": PLAYBOOK})
    branch = {"COMMIT": wanted, "SHORT": wanted[:9]}.get(branch, branch)
    found = await updated(project(data, scm_url=repository.folder.as_uri(), scm_branch=branch), told)
    assert found.revision == wanted
    assert files(found.folder) == {"site.yml", "feature.yml"}


async def test_a_branch_counts_before_a_tag_of_its_name(
    repository: Repository, data: Path, told: Told
) -> None:
    repository.git("tag", "main")
    last = repository.commit({"new.yml": PLAYBOOK})
    assert (
        await updated(project(data, scm_url=str(repository.folder), scm_branch="main"), told)
    ).revision == last


@pytest.mark.parametrize("refspec", ["refs/pull/7/head", "refs/pull/*:refs/remotes/origin/pull/*"])
async def test_a_refspec_brings_what_is_on_no_branch(
    repository: Repository, data: Path, told: Told, refspec: str
) -> None:
    repository.git("checkout", "--quiet", "--detach")
    wanted = repository.commit({"pulled.yml": PLAYBOOK})
    repository.git("update-ref", "refs/pull/7/head", wanted)
    repository.git("checkout", "--quiet", "main")
    source = project(data, scm_url=str(repository.folder), scm_refspec=refspec, scm_branch="pull/7/head")
    assert (await updated(source, told)).revision == wanted


async def test_what_moved_is_followed_and_what_is_gone_is_forgotten(
    repository: Repository, data: Path, told: Told
) -> None:
    source = project(data, scm_url=str(repository.folder), scm_branch="moving")
    repository.git("branch", "moving")
    repository.git("tag", "moving-tag")
    assert (await updated(source, told)).revision == repository.first
    repository.git("checkout", "--quiet", "--orphan", "other")
    last = repository.commit({"other.yml": PLAYBOOK})
    repository.git("branch", "--force", "moving", last)
    repository.git("tag", "--force", "moving-tag")
    assert (await updated(source, told)).revision == last
    tag = project(data, scm_url=str(repository.folder), scm_branch="moving-tag")
    assert (await updated(tag, told)).revision == last
    repository.git("branch", "-D", "moving")
    assert "no branch, tag or commit" in (await failed(updated(source, told))).message


async def test_a_revision_that_is_here_is_not_made_again(
    repository: Repository, data: Path, told: Told
) -> None:
    source = project(data, scm_url=str(repository.folder))
    first = await updated(source, told)
    inode = first.folder.stat().st_ino
    told.lines.clear()
    assert (await updated(source, told)).folder.stat().st_ino == inode
    assert f"revision {first.revision} is already here" in told.lines


async def test_scm_clean_makes_all_anew(repository: Repository, data: Path, told: Told) -> None:
    source = project(data, scm_url=str(repository.folder), scm_clean=True)
    first = await updated(source, told)
    (first.folder / "mine").touch()
    (mirror,) = (data / "projects" / "3").glob("mirror-*")
    (mirror / "mine").touch()
    assert files((await updated(source, told)).folder) == {"site.yml"}
    assert not (mirror / "mine").exists()


async def test_another_address_has_a_mirror_of_its_own(
    repository: Repository, data: Path, told: Told, tmp_path: Path
) -> None:
    await updated(project(data, scm_url=str(repository.folder)), told)
    other = Repository(tmp_path / "other")
    moved = project(data, scm_url=str(other.folder), scm_branch=repository.first)
    if other.first != repository.first:
        assert "no branch, tag or commit" in (await failed(updated(moved, told))).message
    other.commit({"other.yml": PLAYBOOK})
    assert "other.yml" in files((await updated(project(data, scm_url=str(other.folder)), told)).folder)
    assert len(list((data / "projects" / "3").glob("mirror-*"))) == 1


async def test_locks_of_a_git_that_was_killed_are_in_nobody_s_way(
    repository: Repository, data: Path, told: Told
) -> None:
    source = project(data, scm_url=str(repository.folder))
    await updated(source, told)
    (mirror,) = (data / "projects" / "3").glob("mirror-*")
    (mirror / "packed-refs.lock").touch()
    (mirror / "refs" / "remotes" / "origin" / "main.lock").touch()
    (data / "projects" / "3" / "tmp-killed").mkdir()
    last = repository.commit({})
    assert (await updated(source, told)).revision == last


async def test_settings_and_hooks_of_others_count_for_nothing(
    repository: Repository, data: Path, told: Told, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    hook = tmp_path / "hooks" / "post-checkout"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(f'[core]\nhooksPath = {hook.parent}\n[url "/nowhere/"]\ninsteadOf = /\n')
    environ = {"HOME": str(home), "GIT_DIR": "/nowhere", "GIT_CONFIG_GLOBAL": str(home / ".gitconfig")}
    await updated(project(data, environ=environ, scm_url=str(repository.folder)), told)
    assert not (tmp_path / "hooked").exists()


async def test_a_project_without_playbooks_is_warned_of(tmp_path: Path, data: Path, told: Told) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit({"site.yml": "just: variables\n", "roles/x/tasks/main.yml": PLAYBOOK})
    await updated(project(data, scm_url=str(repository.folder)), told)
    assert told.warnings == ["project website has no playbook: no file with plays in it"]


# --- submodules -----


async def submodules(server: GitServer, folder: Path) -> tuple[Repository, Repository]:
    """Repository `inner`, and `outer` that has it as a submodule by a relative address."""
    inner, outer = Repository(folder / "served" / "inner.git"), Repository(folder / "served" / "outer.git")
    (outer.folder / ".gitmodules").write_text(
        '[submodule "inner"]\n\tpath = roles/inner\n\turl = ../inner.git\n\tbranch = main\n'
    )
    outer.git("update-index", "--add", "--cacheinfo", f"160000,{inner.first},roles/inner")
    outer.git("add", ".gitmodules")
    outer.git("commit", "--quiet", "--message=Add a submodule")
    return inner, outer


@pytest.mark.parametrize("track", [False, True], ids=["recorded", "tracked"])
async def test_submodules_come_along(
    server: GitServer, tmp_path: Path, data: Path, told: Told, track: bool
) -> None:
    inner, outer = await submodules(server, tmp_path)
    url = f"{server.url}/outer.git"
    first = await updated(project(data, scm_url=url, scm_track_submodules=track), told)
    assert files(first.folder) == {".gitmodules", "site.yml", "roles/inner/site.yml"}
    newest = inner.commit({"new.yml": PLAYBOOK})
    again = await updated(project(data, scm_url=url, scm_track_submodules=track), told)
    assert again == first
    assert ((again.folder / "roles/inner/new.yml").exists()) == track
    assert f"submodule roles/inner is commit {newest if track else inner.first}" in told.lines
    plain = await updated(project(data, scm_url=url), told)
    assert not (plain.folder / "roles/inner/new.yml").exists()


async def test_a_submodule_may_not_be_a_path_of_the_controller(
    server: GitServer, tmp_path: Path, data: Path, told: Told
) -> None:
    secret = Repository(tmp_path / "private")
    _inner, outer = await submodules(server, tmp_path)
    modules = (outer.folder / ".gitmodules").read_text().replace("../inner.git", str(secret.folder))
    outer.commit({".gitmodules": modules})
    failure = await failed(updated(project(data, scm_url=f"{server.url}/outer.git"), told))
    assert failure.details == {"case": "protocol"}
    assert "transport 'file' not allowed" in failure.traceback


async def test_the_password_is_for_the_project_s_own_server_only(
    server: GitServer, tmp_path: Path, data: Path, told: Told
) -> None:
    _inner, outer = await submodules(server, tmp_path)
    async with git_server(tmp_path / "served") as evil:
        evil.login = ("any", "thing")
        modules = (outer.folder / ".gitmodules").read_text().replace("../inner.git", f"{evil.url}/inner.git")
        outer.commit({".gitmodules": modules})
        server.login = ("me", PASSWORD)
        inputs = {"username": "me", "password": PASSWORD}
        failure = await failed(updated(project(data, inputs, scm_url=f"{server.url}/outer.git"), told))
        assert failure.details == {"case": "authentication"}
        assert ("me", PASSWORD) in server.given
        assert set(evil.given) == {None}


# --- logins -----


@pytest.mark.parametrize(
    ("prefix", "inputs", "user"),
    [
        pytest.param("", {"username": "me", "password": PASSWORD}, "me", id="user"),
        pytest.param("you@", {"username": "me", "password": PASSWORD}, "me", id="the-credential-s-counts"),
        pytest.param("you@", {"password": PASSWORD}, "you", id="of-the-address"),
        pytest.param("", {"password": PASSWORD}, "git", id="token"),
    ],
)
async def test_a_password_is_given_where_it_is_asked_for(
    server: GitServer,
    repository: Repository,
    data: Path,
    told: Told,
    prefix: str,
    inputs: dict[str, str],
    user: str,
) -> None:
    server.login = (user, PASSWORD)
    url = f"{server.url}/website.git".replace("://", f"://{prefix}")
    source = project(data, inputs, scm_url=url)
    assert (await updated(source, told)).revision == repository.first
    assert PASSWORD not in repr(source) and "s3cret" not in "\n".join(told.lines)
    assert (await updated(source, told)).revision == repository.first


@pytest.mark.parametrize(
    "inputs", [None, {"username": "me", "password": "wr0ng-s3cret"}], ids=["none", "wrong"]
)
async def test_a_refused_login_is_told(
    server: GitServer, repository: Repository, data: Path, told: Told, inputs: dict[str, str] | None
) -> None:
    server.login = ("me", PASSWORD)
    failure = await failed(updated(project(data, inputs, scm_url=f"{server.url}/website.git"), told))
    assert (failure.reason, failure.details) == ("ProjectUpdateFailed", {"case": "authentication"})
    assert failure.message.startswith(f"git fetch failed: {server.url}/website.git refuses the login (git: ")
    assert "credential" in failure.hint
    assert not failure.retryable
    assert "wr0ng" not in f"{failure.message}{failure.traceback}{told.lines}"


async def test_a_password_is_in_no_command_line_and_no_environment(
    server: GitServer, repository: Repository, data: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    server.login = ("me", PASSWORD)
    answer = server.handle_git

    async def looking(request: web.Request) -> web.StreamResponse:
        for pid in processes():
            for name in ("cmdline", "environ"):
                with suppress(OSError):
                    content = Path(f"/proc/{pid}/{name}").read_bytes()
                    seen.append(content.replace(b"\0", b" ").decode("latin-1"))
        return await answer(request)

    monkeypatch.setattr(server, "handle_git", looking)
    inputs = {"username": "me", "password": PASSWORD}
    await updated(project(data, inputs, scm_url=f"{server.url}/website.git"), told)
    assert any("git fetch" in line for line in seen)
    assert any("remote-http" in line for line in seen)
    assert not any("s3cret" in line for line in seen)


FAKE_SSH = """#!/bin/sh
printf '%s\\n' "$@" > {folder}/ssh-arguments
ssh-add -l > {folder}/ssh-keys 2>&1
for last in "$@"; do :; done
exec sh -c "$last"
"""
"""Stands for ssh: tells how it was called and which keys it would have, and runs the command right here."""


@pytest.fixture
def fake_ssh(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(FAKE_SSH.format(folder=shlex.quote(str(tmp_path))))
    (folder / "ssh").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def ssh_key(tmp_path: Path, passphrase: str = "") -> str:
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "it is me", "-f", str(path)]
    subprocess.run(command, check=True)
    text = path.read_text()
    path.unlink()
    return text


@pytest.mark.parametrize("passphrase", ["", "s3cret phrase"], ids=["open", "locked"])
@pytest.mark.parametrize("form", ["ssh://git@git.test:22{path}", "git@git.test:{path}"], ids=["url", "scp"])
async def test_a_key_is_with_an_agent_of_the_update_s_own(
    repository: Repository,
    data: Path,
    told: Told,
    tmp_path: Path,
    fake_ssh: dict[str, str],
    passphrase: str,
    form: str,
) -> None:
    key = ssh_key(tmp_path, passphrase)
    inputs = {"ssh_key_data": key, **({"ssh_key_unlock": passphrase} if passphrase else {})}
    environ = {**fake_ssh, "SSH_AUTH_SOCK": "/the/user's/own"}
    source = project(data, inputs, environ, scm_url=form.format(path=repository.folder))
    assert (await updated(source, told)).revision == repository.first
    assert "it is me (ED25519)" in (tmp_path / "ssh-keys").read_text()
    arguments = (tmp_path / "ssh-arguments").read_text().splitlines()
    assert arguments[:2] == ["-F", "none"]
    assert "git@git.test" in arguments
    assert "StrictHostKeyChecking=accept-new" in arguments
    assert f'UserKnownHostsFile="{data}/projects/3/known_hosts"' in arguments
    assert not any(
        key.splitlines()[1].encode() in path.read_bytes() for path in data.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("own", [False, True], ids=["credential", "own"])
def test_ssh_understands_its_options_whatever_the_data_folder_is_called(tmp_path: Path, own: bool) -> None:
    known_hosts = tmp_path / "with blank, 100% and 'quote'" / "known_hosts"
    command = f"{git_access.ssh_command(known_hosts, own=own)} -G git.test"
    shown = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout
    options = dict(line.partition(" ")[::2] for line in shown.splitlines())
    assert options["userknownhostsfile"] in (str(known_hosts), str(known_hosts).replace("%", "%%"))
    assert (options["stricthostkeychecking"], options["batchmode"]) == ("accept-new", "yes")
    assert (options["serveraliveinterval"], options["connecttimeout"]) == ("15", "30")
    assert (options["identityfile"] == "none") != own


async def test_without_a_credential_ssh_is_the_user_s_own(
    repository: Repository, data: Path, told: Told, tmp_path: Path, fake_ssh: dict[str, str]
) -> None:
    environ = {**fake_ssh, "SSH_AUTH_SOCK": "/the/user's/own"}
    await updated(project(data, None, environ, scm_url=f"git.test:{repository.folder}"), told)
    assert (
        "/the/user's/own" in (tmp_path / "ssh-keys").read_text()
        or "No such file" in (tmp_path / "ssh-keys").read_text()
    )
    arguments = (tmp_path / "ssh-arguments").read_text().splitlines()
    assert "-F" not in arguments and "BatchMode=yes" in arguments


async def test_a_wrong_passphrase_is_told_and_hangs_not(
    repository: Repository, data: Path, told: Told, tmp_path: Path, fake_ssh: dict[str, str]
) -> None:
    inputs = {"ssh_key_data": ssh_key(tmp_path, "right"), "ssh_key_unlock": "wrong-s3cret"}
    source = project(data, inputs, fake_ssh, scm_url=f"git@git.test:{repository.folder}")
    failure = await failed(updated(source, told))
    assert failure.reason == "InvalidConfiguration"
    assert failure.message == "credential: its ssh_key_data can't be opened with its ssh_key_unlock."
    assert "s3cret" not in failure.traceback


async def test_an_agent_ends_with_the_pipe_that_a_killed_process_drops(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"]}
    agent = await git_access._Agent.start(tmp_path / "socket", environ)
    pid = agent._pid
    assert pid in processes()
    assert agent._process.stdin is not None
    agent._process.stdin.close()
    async with deadline(DEADLINE):
        while pid in processes():
            await asyncio.sleep(0.1)
    await agent.end()


async def test_no_ssh_agent_on_the_controller(
    repository: Repository, data: Path, told: Told, tmp_path: Path
) -> None:
    inputs = {"ssh_key_data": ssh_key(tmp_path)}
    source = project(data, inputs, {"PATH": "/nowhere"}, scm_url=f"git@git.test:{repository.folder}")
    failure = await failed(updated(source, told))
    assert failure.message == (
        "ssh-agent can't be started on the controller node: No such file or directory."
    )


# --- what goes wrong -----


async def test_no_git_on_the_controller(repository: Repository, data: Path, told: Told) -> None:
    source = project(data, None, {"PATH": "/nowhere"}, scm_url=str(repository.folder))
    failure = await failed(updated(source, told))
    assert failure.message == "git can't be started on the controller node: No such file or directory."
    assert failure.hint == "Install git on the controller node."


async def test_a_missing_branch_is_told_with_those_that_are_near(
    repository: Repository, data: Path, told: Told
) -> None:
    for name in ("release-1", "release-2", "feature"):
        repository.git("branch", name)
    source = project(data, scm_url=str(repository.folder), scm_branch="relaese-1")
    failure = await failed(updated(source, told))
    assert failure.message == f"scm_branch 'relaese-1' is no branch, tag or commit of {repository.folder}."
    assert failure.hint == "Did you mean release-1 or release-2?"
    source = project(data, scm_url=str(repository.folder), scm_branch="zzz")
    assert (await failed(updated(source, told))).hint == "It has feature, main, release-1, release-2."


@pytest.mark.parametrize(
    ("url", "case", "retryable"),
    [
        pytest.param("{server}/none.git", "not_a_repository", False, id="no-such-path"),
        pytest.param("{server}/page.html", "not_a_repository", False, id="a-page"),
        pytest.param("{folder}/t", "not_a_repository", False, id="a-folder"),
        pytest.param("{folder}/nothing", "not_a_repository", False, id="nothing"),
        pytest.param("https://no-such-host.invalid/x.git", "host_not_found", True, id="host"),
        pytest.param("http://127.0.0.1:1/x.git", "not_connected", True, id="closed-port"),
        pytest.param("git://127.0.0.1:1/x.git", "not_connected", True, id="closed-git-port"),
        pytest.param("ssh://git@no-such-host.invalid/x.git", "host_not_found", True, id="ssh-host"),
        pytest.param("ssh://git@127.0.0.1:1/x.git", "not_connected", True, id="closed-ssh-port"),
        pytest.param("{https}/x.git", "tls", False, id="no-tls"),
    ],
)
async def test_what_git_says_is_explained(
    server: GitServer, tmp_path: Path, data: Path, told: Told, url: str, case: str, retryable: bool
) -> None:
    (tmp_path / "served" / "page.html").write_text("<!DOCTYPE html>\n<html><body>Hello</body></html>\n")
    url = url.format(server=server.url, folder=tmp_path, https=server.url.replace("http:", "https:"))
    failure = await failed(updated(project(data, scm_url=url, timeout=60), told))
    assert (failure.reason, failure.details) == ("ProjectUpdateFailed", {"case": case})
    assert failure.retryable == retryable
    assert failure.message.startswith("git fetch failed: ") and "(git: " in failure.message
    assert failure.traceback


async def test_a_broken_server_may_be_well_again_later(
    server: GitServer, repository: Repository, data: Path, told: Told
) -> None:
    server.broken = True
    failure = await failed(updated(project(data, scm_url=f"{server.url}/website.git"), told))
    assert (failure.details, failure.retryable) == ({"case": "server_error"}, True)


async def test_an_empty_repository_is_told(tmp_path: Path, data: Path, told: Told) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "empty.git")], check=True)
    failure = await failed(updated(project(data, scm_url=str(tmp_path / "empty.git")), told))
    assert failure.details == {"case": "no_such_ref"}
    assert "any commit" in failure.hint


async def test_a_folder_that_can_t_be_made(repository: Repository, tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").touch()
    failure = await failed(updated(project(tmp_path / "file", scm_url=str(repository.folder)), told))
    assert failure.reason == "InvalidConfiguration"
    assert failure.message.startswith("data_dir: the project's folder ")


async def test_a_server_that_hangs_is_given_up(
    server: GitServer, repository: Repository, data: Path, told: Told
) -> None:
    server.hangs = True
    failure = await failed(updated(project(data, scm_url=f"{server.url}/website.git", timeout=1), told))
    assert failure.message == (
        "git fetch was stopped: the update took longer than the project's timeout (1 s)."
    )
    assert failure.retryable


async def test_a_program_that_does_not_stop_when_asked_is_killed(
    repository: Repository, data: Path, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "TERM_PATIENCE", 0.2)
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ > {tmp_path}/pid\nsleep 600 &\nwait; sleep 600\n")
    git.chmod(0o755)
    environ = {"PATH": f"{git.parent}:{os.environ['PATH']}"}
    await failed(updated(project(data, None, environ, scm_url=str(repository.folder), timeout=1), told))
    assert int((tmp_path / "pid").read_text()) not in processes()


# --- cancel, and several at once -----


async def test_cancel_ends_the_update_and_its_processes(
    server: GitServer, repository: Repository, data: Path, told: Told
) -> None:
    server.hangs = True
    cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
    source = project(data, scm_url=f"{server.url}/website.git")
    task = asyncio.create_task(updated(source, told, cancel=cancel))
    await asyncio.wait_for(server.asked.wait(), DEADLINE)
    cancel.set_result(Failure("Canceled", "Enough."))
    assert (await failed(task)).message == "Enough."
    server.hangs = False
    assert (await updated(source, told)).revision == repository.first


async def test_a_task_that_is_cancelled_leaves_nothing(
    server: GitServer, repository: Repository, data: Path, told: Told
) -> None:
    server.hangs = True
    task = asyncio.create_task(updated(project(data, scm_url=f"{server.url}/website.git"), told))
    await asyncio.wait_for(server.asked.wait(), DEADLINE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_two_updates_wait_for_each_other(
    server: GitServer, repository: Repository, data: Path, told: Told
) -> None:
    server.hangs = True
    cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
    url = f"{server.url}/website.git"
    first = asyncio.create_task(updated(project(data, scm_url=url), told, cancel=cancel))
    await asyncio.wait_for(server.asked.wait(), DEADLINE)
    others = [Told() for _number in range(3)]
    waiting = [asyncio.create_task(updated(project(data, scm_url=url), each)) for each in others]
    late = Told()
    failure = await failed(updated(project(data, scm_url=url, timeout=1), late))
    assert late.lines == ["waiting for another update of project website"]
    assert failure.message.startswith("waiting for another update of the project was stopped: ")
    server.hangs = False
    cancel.set_result(Failure("Canceled", "Enough."))
    await failed(first)
    assert {found.revision for found in await asyncio.gather(*waiting)} == {repository.first}
    assert all(each.lines[0] == "waiting for another update of project website" for each in others)


# --- revisions that were found before -----


async def found(source: ProjectSource, revision: str, told: Told) -> ProjectRevision:
    async with deadline(DEADLINE):
        return await find_revision(source, revision, told, output=told.lines.append)


async def test_a_revision_that_was_removed_is_made_again_without_the_server(
    server: GitServer, repository: Repository, data: Path, told: Told
) -> None:
    source = project(data, scm_url=f"{server.url}/website.git")
    first = await updated(source, told)
    asked = len(server.given)
    assert await found(source, first.revision, told) == first
    (first.folder / "site.yml").unlink()
    first.folder.rmdir()
    assert await found(source, first.revision, told) == first
    assert files(first.folder) == {"site.yml"}
    assert len(server.given) == asked


async def test_a_revision_of_another_controller_is_got(
    server: GitServer, repository: Repository, data: Path, told: Told, tmp_path: Path
) -> None:
    url = f"{server.url}/website.git"
    first = await updated(project(data, scm_url=url), told)
    repository.commit({"new.yml": PLAYBOOK})
    other = await found(project(tmp_path / "other", scm_url=url), first.revision, told)
    assert (other.revision, files(other.folder)) == (first.revision, {"site.yml"})
    failure = await failed(found(project(tmp_path / "other", scm_url=url), "f" * 40, told))
    assert (failure.reason, failure.retryable) == ("ProjectNotFound", True)
    assert failure.message == f"Revision {'f' * 40} of project 'website' is not at {url} any more."
