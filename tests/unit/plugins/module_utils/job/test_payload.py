# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real `ansible-runner worker` runs what is sent: every file as it was, and every secret in its place."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import re
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import Launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import (
    CHUNK,
    UNSAFE,
    Payload,
    Unwanted,
    build_payload,
    command_line,
    prompts,
    runner_arguments,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched

DEADLINE = 120


def play(*tasks: dict[str, Any], **fields: Any) -> str:
    """A playbook for all hosts that connects to none of them."""
    return json.dumps(
        [{"hosts": "all", "connection": "local", "gather_facts": False, **fields, "tasks": list(tasks)}]
    )


def show(text: str) -> dict[str, Any]:
    return {"ansible.builtin.debug": {"msg": text}}


def project(folder: Path, *tasks: dict[str, Any], **fields: Any) -> Path:
    """A project with a playbook `site.yml`."""
    made = folder / "project"
    made.mkdir()
    (made / "site.yml").write_text(play(*(tasks or (show("hello"),)), **fields))
    return made


@dataclass
class Worked:
    """What a worker made of a payload.

    Attributes:
        folder: its private data dir.
        lines: of its output.
    """

    folder: Path
    lines: list[dict[str, Any]]

    @property
    def status(self) -> str:
        return str([line["status"] for line in self.lines if "status" in line][-1])

    @property
    def command(self) -> list[str]:
        return list(next(line["command"] for line in self.lines if line.get("status") == "starting"))

    @property
    def output(self) -> str:
        return "\n".join(line.get("stdout", "") for line in self.lines)

    @property
    def shown(self) -> dict[str, str]:
        """What `show` showed last, by host."""
        results = [line for line in self.lines if line.get("event") == "runner_on_ok"]
        return {
            line["event_data"]["host"]: line["event_data"]["res"]["msg"]
            for line in results
            if "msg" in line["event_data"]["res"]
        }


def judged(worked: Worked) -> Failure:
    """The failure that is made of what a worker printed, where it was no success."""
    stream = RunnerStream()
    for line in worked.lines:
        if "zipfile" not in line:
            stream.feed(json.dumps(line).encode() + b"\n")
    ended = Ended(0, "exit", 1, None, "", "", None, None, 1.0, 0)
    failure = verdict(ended, stream.summary, 0)
    assert failure is not None
    return failure


def content(payload: Payload) -> bytes:
    payload.file.seek(0)
    return payload.file.read()


def work(folder: Path, launch: Launch, runner: Path | None = None) -> Worked:
    """Has a real worker run the payload of a launch, in an environment without anything of the controller's.

    Args:
        folder: of the test's own.
        launch: what to run.
        runner: the private data dir; by default in `folder`.
    """
    home, runner = folder / "home", runner or folder / "runner"
    home.mkdir()
    payload = build_payload(launch, "7")
    with payload.file:
        ended = subprocess.run(
            ["ansible-runner", "worker", "--private-data-dir", str(runner)],
            input=content(payload),
            capture_output=True,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"},
            timeout=DEADLINE,
            check=False,
        )
    found = []
    for line in ended.stdout.splitlines():
        # The artifacts come as base64 between the lines, and end without a line feed.
        start = line.find(b'{"eof": true}') if line.endswith(b'{"eof": true}') else 0
        if line[start : start + 1] == b"{":
            found.append(json.loads(line[start:]))
    assert found, ended.stderr
    assert found[-1] == {"eof": True}
    return Worked(runner, found)


def archive(payload: Payload) -> zipfile.ZipFile:
    """The zip archive in a payload, read as its format says."""
    _arguments, size, encoded = content(payload).split(b"\n", 2)
    inner = base64.b64decode(encoded.removesuffix(b'{"eof": true}\n'), validate=True)
    assert len(inner) == json.loads(size)["zipfile"]
    return zipfile.ZipFile(io.BytesIO(inner))


def arguments(launch: Launch) -> dict[str, Any]:
    """The arguments in the first line of a launch's payload."""
    payload = build_payload(launch, "7")
    with payload.file:
        found: dict[str, Any] = json.loads(content(payload).partition(b"\n")[0])["kwargs"]
    return found


def names(launch: Launch) -> set[str]:
    payload = build_payload(launch, "7")
    with payload.file:
        return {name.rstrip("/") for name in archive(payload).namelist()}


def tree(folder: Path) -> dict[str, tuple[str, int, bytes | str]]:
    """Kind, mode and content (or target) of all that is in a folder, by path."""
    found: dict[str, tuple[str, int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name, mode = str(path.relative_to(folder)), stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            found[name] = ("link", 0o777, os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", mode, b"")
        else:
            found[name] = ("file", mode, path.read_bytes())
    return found


# --- the run -----


def test_a_worker_runs_it(tmp_path: Path) -> None:
    project(tmp_path, show("hello from {{ inventory_hostname }}"))
    worked = work(tmp_path, launched(tmp_path))
    assert worked.status == "successful"
    assert worked.shown == {"localhost": "hello from localhost"}
    assert worked.lines[-2]["zipfile"] > 0
    assert (worked.folder / "artifacts" / "7" / "job_events").is_dir()
    assert not (worked.folder / "artifacts" / "7" / "stdout").exists()  # the events have it all
    assert (worked.folder / "inventory" / "hosts.yml").stat().st_mode & 0o777 == 0o600


def test_length_and_hash_are_those_of_the_content(tmp_path: Path) -> None:
    project(tmp_path)
    payload = build_payload(launched(tmp_path), "7")
    with payload.file:
        whole = content(payload)
    assert (payload.length, payload.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 2])
def test_archive_of_any_size_is_read_again(tmp_path: Path, size: int) -> None:
    noise = random.Random(size).randbytes(size)  # noqa: S311 - only so that it can't be compressed
    (project(tmp_path) / "noise").write_bytes(noise)
    payload = build_payload(launched(tmp_path), "7")
    with payload.file:
        assert archive(payload).read("project/noise") == noise


# --- the project's files -----


def test_files_arrive_as_they_are(tmp_path: Path) -> None:
    folder = project(tmp_path)
    for name in (
        "with space",
        "ümläut-漢",
        "new\nline",
        "back\\slash",
        "--dash",
        "'quote\"",
        ".hidden",
        "$HOME",
    ):
        (folder / name).write_text(f"this is {name}")
    (folder / "empty").touch()
    (folder / "binary").write_bytes(bytes(range(256)) * 10)
    (folder / "script").write_text("#!/bin/sh\n")
    (folder / "script").chmod(0o755)
    (folder / "private").write_text("mine")
    (folder / "private").chmod(0o600)
    (folder / "old").write_text("from before zip archives knew")
    os.utime(folder / "old", (0, 0))
    (folder / "roles" / "deep er" / "tasks").mkdir(parents=True)
    (folder / "roles" / "deep er" / "tasks" / "main.yml").write_text("[]")
    (folder / "void" / "void").mkdir(parents=True)
    (folder / "file-link").symlink_to("roles/deep er/tasks/main.yml")
    (folder / "folder-link").symlink_to("roles")
    (folder / "link-to-nowhere").symlink_to("no/thing")
    (folder / "link-upwards").symlink_to("..")
    (folder / "link-outside").symlink_to("/etc/hostname")
    worked = work(tmp_path, launched(tmp_path))
    assert worked.status == "successful"
    assert tree(worked.folder / "project") == tree(folder)


def test_what_a_link_points_to_outside_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("not of the project")
    folder = project(tmp_path)
    (folder / "file").symlink_to(tmp_path / "outside" / "file")
    (folder / "folder").symlink_to("../outside")
    payload = build_payload(launched(tmp_path), "7")
    with payload.file, archive(payload) as files:
        assert not any(b"not of the project" in files.read(name) for name in files.namelist())
        assert "project/folder/file" not in files.namelist()


def test_project_may_be_a_link_itself(tmp_path: Path) -> None:
    project(tmp_path).rename(tmp_path / "release-2")
    (tmp_path / "project").symlink_to("release-2")
    assert work(tmp_path, launched(tmp_path)).status == "successful"


def test_a_folder_that_nobody_may_write_is_unpacked_by_any_user(tmp_path: Path) -> None:
    folder = project(tmp_path) / "fixed"
    folder.mkdir()
    (folder / "file").touch()
    folder.chmod(0o555)
    payload = build_payload(launched(tmp_path), "7")
    with payload.file:
        assert archive(payload).getinfo("project/fixed/").external_attr >> 16 == stat.S_IFDIR | 0o755


def test_history_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / ".git" / "objects").mkdir(parents=True)
    (folder / ".git" / "config").write_text("url = https://user:secret@example.com")
    (folder / ".gitignore").write_text("*.retry")
    (folder / "roles" / ".git").mkdir(parents=True)
    (folder / ".gitlab").mkdir()
    assert names(launched(tmp_path)) == {
        "project",
        "project/.gitignore",
        "project/.gitlab",
        "project/roles",
        "project/roles/.git",
        "project/site.yml",
        "inventory/hosts.yml",
    }


def test_pipes_and_sockets_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(tmp_path)
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # a socket's path may have 108 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert names(launched(tmp_path)) == {"project", "project/site.yml", "inventory/hosts.yml"}


# --- what can't be sent -----


def refused(launch: Launch, reason: str, **how: Any) -> str:
    """The message of the failure that a launch's payload ends with."""
    with pytest.raises(Failure) as caught:
        build_payload(launch, "7", **how)
    assert caught.value.reason == reason
    return caught.value.message


def test_file_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "roles").mkdir()
    (folder / "roles" / os.fsdecode(b"caf\xe9")).touch()
    message = refused(launched(tmp_path), "ProjectNotFound")
    assert "file name 'project/roles/caf\\udce9' is not UTF-8" in message
    assert message.isascii()


def test_link_to_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    os.symlink(b"caf\xe9", project(tmp_path) / "menu")
    message = refused(launched(tmp_path), "ProjectNotFound")
    assert "link 'project/menu' points to 'caf\\udce9', which is not UTF-8" in message


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_can_t_be_read_is_told(unprivileged: Path, kind: str) -> None:
    folder = project(unprivileged)
    (folder / "locked").mkdir() if kind == "folder" else (folder / "locked").touch()
    (folder / "locked").chmod(0)
    message = refused(launched(unprivileged), "ProjectNotFound")
    assert message == f"{folder / 'locked'} can't be read: Permission denied."
    (folder / "locked").chmod(0o700)


@pytest.mark.parametrize("inventory", ["hosts/web", "hosts"], ids=["file", "folder"])
def test_inventory_that_can_t_be_read_is_told(unprivileged: Path, inventory: str) -> None:
    project(unprivileged)
    (unprivileged / "hosts").mkdir()
    (unprivileged / "hosts" / "web").touch()
    launch = launched(unprivileged, inventory=inventory)
    (unprivileged / "hosts" / "web").chmod(0)
    message = refused(launch, "InventoryInvalid")
    assert message == f"{(unprivileged / 'hosts' / 'web').resolve()} can't be read: Permission denied."


@pytest.mark.parametrize("size", [3 << 20, 900 << 10], ids=["archive", "payload"])
def test_full_disk_is_told(tmp_path: Path, size: int) -> None:
    (project(tmp_path) / "noise").write_bytes(random.Random(1).randbytes(size))  # noqa: S311 - just noise
    launch, before = launched(tmp_path), set(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        message = refused(launch, "PayloadTooLarge")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert message == f"The payload can't be written to {tempfile.gettempdir()}: File too large."
    assert set(os.listdir("/proc/self/fd")) == before


def test_too_many_bytes_are_refused_with_the_largest_files(tmp_path: Path) -> None:
    folder = project(tmp_path)
    for index, name in enumerate(("a", "b", "c", "d")):
        (folder / name).write_bytes(bytes((index + 1) << 20))
    message = refused(launched(tmp_path), "PayloadTooLarge", limit=9 << 20)
    assert "more than 9 MiB" in message
    assert message.endswith("project/d (4 MiB), project/c (3 MiB), project/b (2 MiB).")
    with build_payload(launched(tmp_path), "7", 11 << 20).file:
        pass


def test_the_inventory_counts_as_well(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "huge.yml").write_bytes(b" " * (2 << 20))
    message = refused(launched(tmp_path, inventory="hosts"), "PayloadTooLarge", limit=1 << 20)
    assert "inventory/huge.yml (2 MiB)" in message


def test_links_are_counted_as_links(tmp_path: Path) -> None:
    (tmp_path / "huge").write_bytes(bytes(2 << 20))
    (project(tmp_path) / "link").symlink_to("../huge")
    with build_payload(launched(tmp_path), "7", 1 << 20).file:
        pass


class Unwanting(threading.Event):
    """Is set when it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99], ids=["at-once", "in-the-middle", "near-the-end"])
def test_payload_that_nobody_wants_any_more_is_given_up(tmp_path: Path, share: float) -> None:
    (project(tmp_path) / "noise").write_bytes(random.Random(1).randbytes(4 << 20))  # noqa: S311 - just noise
    launch, before = launched(tmp_path), set(os.listdir("/proc/self/fd"))
    wanted = Unwanting(1 << 30)
    build_payload(launch, "7", unwanted=wanted).file.close()
    looks = (1 << 30) - wanted.left
    assert looks > 40
    with pytest.raises(Unwanted):
        build_payload(launch, "7", unwanted=Unwanting(int(looks * share)))
    assert set(os.listdir("/proc/self/fd")) == before


# --- the inventory -----

INI = "[web]\nweb1 color=green\nweb2\n[web:vars]\ncolor=blue\n"
MAPPING = {"web": {"hosts": {"web1": {"color": "green"}, "web2": None}, "vars": {"color": "blue"}}}
LISTED = {"web": {"hosts": ["web1", "web2"], "vars": {"color": "blue"}}}
SCRIPT = f"""#!/bin/sh
echo '{json.dumps({**LISTED, "_meta": {"hostvars": {"web1": {"color": "green"}}}})}'
"""


@pytest.mark.parametrize(
    "inventory", [MAPPING, "files/hosts", "files/script", "folder", "files/link"], ids=str
)
def test_inventory_is_the_same_in_the_pod(tmp_path: Path, inventory: Any) -> None:
    project(tmp_path, show("{{ color }}"), hosts="web")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hosts").write_text(INI)
    (tmp_path / "files" / "script").write_text(SCRIPT)
    (tmp_path / "files" / "script").chmod(0o700)
    (tmp_path / "files" / "link").symlink_to("../folder/some")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "some").write_text(INI)
    worked = work(tmp_path, launched(tmp_path, inventory=inventory))
    assert worked.status == "successful", worked.output
    assert worked.shown == {"web1": "green", "web2": "blue"}


@pytest.mark.parametrize("inventory", ["web1,web2", " web1, web2 ,", ["web1", "web2"]], ids=str)
def test_inventory_of_host_names(tmp_path: Path, inventory: Any) -> None:
    project(tmp_path, show("here"))
    assert set(work(tmp_path, launched(tmp_path, inventory=inventory)).shown) == {"web1", "web2"}


@pytest.mark.parametrize("inventory", ["conf/hosts", "conf"], ids=["file", "folder"])
def test_variables_beside_an_inventory_come_along(tmp_path: Path, inventory: str) -> None:
    project(tmp_path, show("{{ color }} {{ shape }}"))
    conf = tmp_path / "conf"
    (conf / "group_vars" / "web").mkdir(parents=True)
    (conf / "host_vars").mkdir()
    (conf / "hosts").write_text("[web]\nweb1\nweb2\n")
    (conf / "group_vars" / "web" / "all.yml").write_text("color: blue\nshape: round\n")
    (conf / "host_vars" / "web1.yml").write_text("color: green\n")
    worked = work(tmp_path, launched(tmp_path, inventory=inventory))
    assert worked.shown == {"web1": "green round", "web2": "blue round"}


def test_nothing_else_beside_an_inventory_file_comes_along(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "hosts").write_text("localhost\n")
    (tmp_path / "secret").write_text("not asked for")
    assert names(launched(tmp_path, inventory="hosts")) == {"project", "project/site.yml", "inventory/hosts"}


def test_inventory_that_can_t_be_parsed_is_no_success(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "hosts.yml").write_text("web: [this is: no inventory\n")
    worked = work(tmp_path, launched(tmp_path, inventory="hosts.yml"))
    assert worked.status == "failed"
    assert "Completely failed to parse" in worked.output


# --- requirements -----


def required(folder: Path, content: str, name: str, says: str) -> None:
    """Puts a role, alone or in a collection, to where updates put a project's requirements."""
    role = folder / ".jobpods" / content
    if content == "collections":
        role = role / "ansible_collections" / "acme" / name / "roles" / name
    else:
        role = role / name
    (role / "tasks").mkdir(parents=True)
    (role / "tasks" / "main.yml").write_text(json.dumps([show(says)]))


def role(name: str) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": name}}


def test_required_roles_and_collections_are_found(tmp_path: Path) -> None:
    folder = project(tmp_path, role("ours"), role("acme.theirs.theirs"), role("beside"))
    required(folder, "roles", "ours", "a role")
    required(folder, "collections", "theirs", "a collection")
    (folder / "roles" / "beside" / "tasks").mkdir(parents=True)
    (folder / "roles" / "beside" / "tasks" / "main.yml").write_text(json.dumps([show("beside")]))
    worked = work(tmp_path, launched(tmp_path))
    assert worked.status == "successful", worked.output
    assert worked.shown == {"localhost": "beside"}
    assert '"msg": "a role"' in worked.output and '"msg": "a collection"' in worked.output


def test_the_project_s_own_paths_count_beside_required_ones(tmp_path: Path) -> None:
    folder = project(tmp_path, role("ours"), role("mine"))
    (folder / "ansible.cfg").write_text("[defaults]\nroles_path = more/roles:/elsewhere ; of ours\n")
    required(folder, "roles", "ours", "a role")
    (folder / "more" / "roles" / "mine" / "tasks").mkdir(parents=True)
    (folder / "more" / "roles" / "mine" / "tasks" / "main.yml").write_text(json.dumps([show("mine")]))
    worked = work(tmp_path, launched(tmp_path))
    assert worked.status == "successful", worked.output
    assert worked.shown == {"localhost": "mine"}
    assert '"msg": "a role"' in worked.output


# --- secrets -----

SECRETS = {
    "password": "s3cret-ssh",
    "become_password": "s3cret-become",
    "vault_password": "s3cret-vault",
    "extra_vars": "s3cret-variable",
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def ssh_key(tmp_path: Path) -> str:
    """A new private key; its passphrase is `s3cret-phrase`."""
    path = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "s3cret-phrase", "-C", "it is me", "-f", str(path)],
        check=True,
    )
    text = path.read_text()
    path.unlink()
    return text


def test_secrets_are_in_the_payload_and_in_no_file_with_a_name(
    tmp_path: Path, temporary: Path, ssh_key: str
) -> None:
    project(tmp_path)
    machine = {name: SECRETS[name] for name in ("password", "become_password")}
    launch = launched(
        tmp_path,
        extra_vars={"token": SECRETS["extra_vars"]},
        credentials=[
            {
                "credential_type": "machine",
                "inputs": {**machine, "ssh_key_data": ssh_key, "ssh_key_unlock": "s3cret-phrase"},
            },
            {"credential_type": "vault", "inputs": {"vault_password": SECRETS["vault_password"]}},
        ],
    )
    payload = build_payload(launch, "7")
    with payload.file:
        whole = content(payload)
        assert os.fstat(payload.file.fileno()).st_nlink == 0
        assert os.fstat(payload.file.fileno()).st_mode & 0o077 == 0
        assert list(temporary.iterdir()) == []
        assert json.loads(unpacked(whole)["env/extravars"]) == launch.extra_vars
    in_arguments = [SECRETS[name] for name in ("password", "become_password", "vault_password")]
    for secret in (*in_arguments, "s3cret-phrase", json.dumps(ssh_key)[1:-1]):
        assert secret.encode() in whole
    for secret in (*SECRETS.values(), "s3cret-phrase", json.dumps(ssh_key)[1:-1]):
        assert all(secret.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert secret not in repr(launch)


def unpacked(payload: bytes) -> dict[str, bytes]:
    """The files of a payload's archive, by their names."""
    encoded = payload.split(b"\n")[2].removesuffix(b'{"eof": true}')
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(encoded))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_extra_vars_are_data_of_any_shape_and_in_no_command_line(tmp_path: Path) -> None:
    project(tmp_path, show("{{ who }}"))
    given = {"who": {"a": ["{{ 7 * 7 }}", "{% raw %}", "{# x #}", "plain", 1, None, True]}, "token": "s3cret"}
    worked = work(tmp_path, launched(tmp_path, extra_vars=given))
    assert worked.status == "successful", worked.output
    assert worked.shown == {"localhost": given["who"]}
    assert "s3cret" not in worked.command


def test_extra_vars_of_a_command_line_may_be_templates(tmp_path: Path) -> None:
    project(tmp_path, show("{{ who | string }}"))
    given: dict[str, Any] = {"who": ["{{ 7 * 7 }}", {UNSAFE: "{{ 7 * 7 }}"}]}
    worked = work(tmp_path, replace(launched(tmp_path, extra_vars=given), extra_vars_are_templates=True))
    assert worked.status == "successful", worked.output
    assert worked.shown["localhost"] == str([49, "{{ 7 * 7 }}"])


def test_nothing_is_left_of_a_payload_that_can_t_be_built(tmp_path: Path, temporary: Path) -> None:
    (project(tmp_path) / os.fsdecode(b"\xff")).touch()
    before = set(os.listdir("/proc/self/fd"))
    launch = launched(tmp_path)
    with pytest.raises(Failure) as caught:
        build_payload(launch, "7")
    assert set(os.listdir("/proc/self/fd")) == before, caught.value
    assert list(temporary.iterdir()) == []


def vaulted(text: str, password: str, vault_id: str = "default") -> str:
    """`text`, encrypted."""
    secret = VaultSecret(password.encode())
    return str(VaultLib().encrypt(text, secret, vault_id=vault_id).decode())


def test_vaults_are_opened_with_the_passwords_of_their_ids(tmp_path: Path) -> None:
    folder = project(tmp_path, show("{{ plain }} {{ dev }} {{ prod }}"), vars_files=["plain", "dev", "prod"])
    (folder / "plain").write_text(vaulted("plain: 1", "no-id"))
    (folder / "dev").write_text(vaulted("dev: 2", "of-dev", "dev"))
    (folder / "prod").write_text(vaulted("prod: 3", "of-prod", "pro(d).*"))
    given = [
        {"vault_password": "of-prod", "vault_id": "pro(d).*"},
        {"vault_password": "no-id"},
        {"vault_password": "of-dev", "vault_id": "dev"},
    ]
    credentials = [{"credential_type": "vault", "inputs": inputs} for inputs in given]
    worked = work(tmp_path, launched(tmp_path, credentials=credentials))
    assert worked.status == "successful", worked.output
    assert worked.shown == {"localhost": "1 2 3"}


@pytest.mark.parametrize("vault_id", ["", "dev"])
def test_wrong_vault_password_fails_and_hangs_not(tmp_path: Path, vault_id: str) -> None:
    folder = project(tmp_path, vars_files=["locked"])
    (folder / "locked").write_text(vaulted("a: 1", "right", vault_id or "default"))
    inputs = {"vault_password": "wrong", "vault_id": vault_id}
    credentials = [{"credential_type": "vault", "inputs": inputs}]
    assert work(tmp_path, launched(tmp_path, credentials=credentials)).status == "failed"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, as in a pod: ansible-runner sees questions of up to 100 characters only."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # noqa: S108 - made by tempfile
        yield Path(name)


def test_locked_ssh_key_is_with_the_agent_of_the_run(tmp_path: Path, short: Path, ssh_key: str) -> None:
    listed = {"ansible.builtin.command": "ssh-add -l", "register": "keys"}
    project(tmp_path, listed, show("{{ keys.stdout }}"), vars={"ansible_python_interpreter": sys.executable})
    inputs = {"ssh_key_data": ssh_key, "ssh_key_unlock": "s3cret-phrase"}
    credentials = [{"credential_type": "machine", "inputs": inputs}]
    worked = work(tmp_path, launched(tmp_path, credentials=credentials), short)
    assert worked.status == "successful", worked.output
    assert "it is me (ED25519)" in worked.output


def test_wrong_passphrase_fails_and_hangs_not(tmp_path: Path, short: Path, ssh_key: str) -> None:
    project(tmp_path)
    inputs = {"ssh_key_data": ssh_key, "ssh_key_unlock": "wrong"}
    credentials = [{"credential_type": "machine", "inputs": inputs}]
    worked = work(tmp_path, launched(tmp_path, credentials=credentials), short)
    failure = judged(worked)
    assert failure.reason == "InvalidConfiguration"
    assert "ssh_key_unlock does not unlock the key in ssh_key_data" in failure.message


def test_damaged_key_is_told(tmp_path: Path, short: Path) -> None:
    project(tmp_path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    begin, *body, end = (tmp_path / "key").read_text().splitlines()
    key = "\n".join((begin, *body[:-2], body[-2][::-1], body[-1], end))
    credentials = [{"credential_type": "machine", "inputs": {"ssh_key_data": key}}]
    failure = judged(work(tmp_path, launched(tmp_path, credentials=credentials), short))
    assert failure.reason == "InvalidConfiguration"
    assert re.search("The key in ssh_key_data can't be used; ssh-add says: .+", failure.message)


def test_wrong_arguments_are_told_in_one_sentence(tmp_path: Path) -> None:
    project(tmp_path)
    worked = work(tmp_path, replace(launched(tmp_path), playbook="--nonsense"))
    message = judged(worked).message
    assert message == "The playbook failed: the following arguments are required: playbook"


def test_passwords_are_asked_for_and_answered(tmp_path: Path) -> None:
    project(tmp_path)
    inputs = {"password": SECRETS["password"], "become_password": SECRETS["become_password"]}
    credentials = [{"credential_type": "machine", "inputs": inputs}]
    worked = work(tmp_path, launched(tmp_path, credentials=credentials))
    assert worked.status == "successful", worked.output
    assert not any(secret in json.dumps(worked.lines) for secret in SECRETS.values())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("SSH password: ", "1"),
        ("BECOME password: ", "2"),
        ("BECOME password[defaults to SSH password]: ", "2"),
        ("Enter passphrase for /runner/artifacts/7/ssh_key_data: ", "3"),
        ("Bad passphrase, try again for /runner/artifacts/7/ssh_key_data: ", ""),
        ("Vault password: ", "4"),
        ("Vault password (dev): ", "5"),
        ("Vault password (d.v): ", "6"),
        ("Vault password (prod): ", None),
        ("Whatever password: ", None),
    ],
)
def test_each_question_gets_its_own_answer(tmp_path: Path, question: str, answer: str | None) -> None:
    project(tmp_path)
    key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
    inputs = {"password": "1", "become_password": "2", "ssh_key_data": key, "ssh_key_unlock": "3"}
    vaults = [
        {"vault_password": "4"},
        {"vault_password": "5", "vault_id": "dev"},
        {"vault_password": "6", "vault_id": "d.v"},
    ]
    credentials = [{"credential_type": "machine", "inputs": inputs}]
    credentials += [{"credential_type": "vault", "inputs": vault} for vault in vaults]
    answers = prompts(launched(tmp_path, credentials=credentials).credentials)
    found = [value for pattern, value in answers.items() if re.search(pattern, question, re.MULTILINE)]
    assert found == ([] if answer is None else [answer])


# --- the command -----


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param({"forks": 12}, {"forks": 12}, id="forks"),
        pytest.param({"verbosity": 4}, {"verbosity": 4}, id="verbosity"),
        pytest.param({"playbook": "plays//./site.yml"}, {"playbook": "plays/site.yml"}, id="playbook"),
    ],
)
def test_runner_gets_the_option_as_an_argument(
    tmp_path: Path, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    plays = project(tmp_path) / "plays"
    plays.mkdir()
    (plays / "site.yml").touch()
    bare, given = arguments(launched(tmp_path)), arguments(launched(tmp_path, **params))
    assert {name: value for name, value in given.items() if bare.get(name) != value} == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"job_type": "check"}, ["--check"], id="job-type"),
        pytest.param({"check": True}, ["--check"], id="check-mode-of-the-play"),
        pytest.param({"diff_mode": True}, ["--diff"], id="diff-mode"),
        pytest.param({"diff": True}, ["--diff"], id="diff-mode-of-the-play"),
        pytest.param({"become_enabled": True}, ["--become"], id="become"),
        pytest.param({"limit": "-web:!web2"}, ["--limit=-web:!web2"], id="limit"),
        pytest.param({"tags": ["-a", "b,c"]}, ["--tags=-a,b,c"], id="tags"),
        pytest.param({"skip_tags": "-slow, never"}, ["--skip-tags=-slow,never"], id="skip-tags"),
        pytest.param({"start_at_task": '-it\'s "it"'}, ['--start-at-task=-it\'s "it"'], id="start-at-task"),
    ],
)
def test_command_line_has_the_option(tmp_path: Path, params: dict[str, Any], expected: list[str]) -> None:
    project(tmp_path)
    assert command_line(launched(tmp_path, **params)) == expected


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        pytest.param("machine", {"username": "web admin"}, ["--user=web admin"], id="user"),
        pytest.param("machine", {"password": "x"}, ["--ask-pass"], id="password"),
        pytest.param("machine", {"become_method": "su"}, ["--become-method=su"], id="become-method"),
        pytest.param("machine", {"become_username": "-x"}, ["--become-user=-x"], id="become-user"),
        pytest.param("machine", {"become_password": "x"}, ["--ask-become-pass"], id="become-password"),
        pytest.param("vault", {"vault_password": "x"}, ["--ask-vault-pass"], id="vault"),
        pytest.param(
            "vault", {"vault_password": "x", "vault_id": "-d"}, ["--vault-id=-d@prompt"], id="vault-id"
        ),
    ],
)
def test_command_line_has_the_credential_and_no_secret(
    tmp_path: Path, kind: str, inputs: dict[str, Any], expected: list[str]
) -> None:
    project(tmp_path)
    credentials = [{"credential_type": kind, "inputs": inputs}]
    assert command_line(launched(tmp_path, credentials=credentials)) == expected


def test_ansible_in_the_pod_understands_all_of_it(tmp_path: Path) -> None:
    odd = '- don\'t "quote" $HOME; `id`'
    tasks = [
        {"name": "first", **show("must not run"), "tags": "-odd"},
        {
            "name": odd,
            **show("{{ who }} {{ ansible_check_mode }} {{ ansible_diff_mode }} {{ ansible_forks }}"),
            "tags": "-odd",
        },
        {"name": "untagged", **show("must not run")},
        {"name": "tagged", **show("must not run"), "tags": ["-odd", "-slow"]},
    ]
    project(tmp_path, *tasks)
    launch = launched(
        tmp_path,
        check=True,
        diff=True,
        inventory="web1,web2",
        limit="web2",
        tags=["-odd"],
        skip_tags="-slow",
        start_at_task=odd,
        forks=3,
        verbosity=2,
        extra_vars={"who": "it's \u00fc"},
        credentials=[{"credential_type": "machine", "inputs": {"username": "-web admin"}}],
    )
    worked = work(tmp_path, launch)
    assert worked.status == "successful", worked.output
    assert worked.shown == {"web2": "it's \u00fc True True 3"}
    assert "-vv" in worked.command
    assert "--user=-web admin" in worked.command


def test_no_argument_names_a_path_of_the_controller(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "hosts").touch()
    launch = launched(tmp_path, inventory="hosts")
    assert str(tmp_path) not in json.dumps(runner_arguments(launch, "7", "inventory/hosts"))
    assert str(tmp_path) not in json.dumps(arguments(launch))
