# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks as Ansible runs them: `async` is done here, whatever the play's hosts are, and shows no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils import failures
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options

DEADLINE = 120
SECRET = b"s3cret-value"
AWAY = {"hosts": "away", "become": True, "become_user": "nobody", "gather_facts": False}
"""A play about a host that nobody can reach, as a user that nobody can become."""
HERE = {"delegate_to": "localhost", "become": False}


@dataclass(frozen=True)
class Played:
    """What a playbook printed, and what its tasks registered."""

    terminal: str
    results: list[dict[str, Any]]


class User:
    """Somebody with a store and Ansible, who starts it in a folder above that of the playbook."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        (folder / "tmp").mkdir()
        self.write("hosts", "away ansible_host=192.0.2.1 ansible_become_password=x\n")

    def pending_job(self) -> int:
        """A job in the store that nobody owns."""
        store = JobStore.open(store_options({"data_dir": str(self.store)}, {}, self.folder))
        job = NewJob(uuid.uuid4().hex, "job", "site.yml", False, "here", None, "jobs", {}, {})
        try:
            return store.create(job)
        finally:
            store.close()

    def write(self, name: str, text: str) -> Path:
        """Writes a file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Waits for something that will happen soon."""
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.05)

    def processes(self) -> list[bytes]:
        """The command line and environment of each process that runs for the user."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                lines = (folder / "environ").read_bytes() + b" " + (folder / "cmdline").read_bytes()
                if f"HOME={self.folder}\0".encode() in lines:
                    found.append(lines)
        return found

    def play(self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), **environ: str) -> Played:
        """Runs tasks in a play about the host that is away; a failure of one stops nothing."""
        registered = [
            {"register": f"result_{index}", "ignore_errors": True, **task} for index, task in enumerate(tasks)
        ]
        names = ", ".join(f"result_{index}" for index in range(len(tasks)))
        copy = {"content": "{{ [" + names + "] | to_json }}", "dest": str(self.folder / "results.json")}
        keep = {"ansible.builtin.copy": copy, "check_mode": False, **HERE}
        self.write("book/play.yml", yaml.safe_dump([{**AWAY, "tasks": [*registered, keep]}]))
        ended = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                "-i",
                "hosts",
                "book/play.yml",
                *arguments,
            ],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "TMPDIR": str(self.folder / "tmp"),
                "LC_ALL": "C.UTF-8",
                "JOBPODS_DATA_DIR": "store",
                "ANSIBLE_COLLECTIONS_PATH": str(Path(failures.__file__).parents[5]),
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_ASYNC_DIR": str(self.folder / "async"),
                "ANSIBLE_REMOTE_TMP": str(self.folder / "remote"),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return Played(ended.stdout, json.loads((self.folder / "results.json").read_text()))


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def verb(name: str, options: dict[str, Any], **task: Any) -> dict[str, Any]:
    return {f"jobpods.controller.{name}": options, **task}


REFUSED = {"project": "p", "playbook": "site.yml", "inventory": "a,"}

# --- async with poll: attached, within the time -----


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check mode"])
def test_with_poll_a_task_is_done_attached(user: User, arguments: tuple[str, ...]) -> None:
    job_id = user.pending_job()
    played = user.play(
        verb("job_info", {}, **{"async": 60, "poll": 1}),
        verb("container_group_job", REFUSED, **{"async": 60}),
        verb("job_cancel", {"job_id": job_id, "timeout": 0}, **{"async": 60, "poll": 1}),
        arguments=arguments,
    )
    many, refused, canceled = played.results
    assert (many["failed"], [job["id"] for job in many["jobs"]]) == (False, [job_id])
    assert refused["failed"]
    assert refused["msg"].startswith("ProjectNotFound: project 'p' is neither a folder")
    assert canceled["failed"] == (not arguments)
    assert f"job {job_id}: site.yml" in played.terminal
    assert not (user.folder / "async").exists()


def test_the_time_of_async_is_a_limit(user: User) -> None:
    wait = verb("job_wait", {"job_id": user.pending_job()}, **{"async": 1, "poll": 1})
    again = {**wait, "until": False, "retries": 1, "delay": 0}
    for result in user.play(wait, again).results:
        assert result["failed"]
        assert "did not end within the task's async limit (1 s); it goes on." in result["msg"]


# --- async without: in the background -----

STATUS = {"until": "result_1 is finished", "retries": 100, "delay": 0.2, **HERE}


def test_without_poll_the_result_is_where_async_status_looks(user: User) -> None:
    launch = verb("container_group_job", REFUSED, **{"async": 60, "poll": 0})
    look = {"ansible.builtin.async_status": {"jid": "{{ result_0.ansible_job_id }}"}, **STATUS}
    begun, ended = user.play(launch, look).results
    assert (begun["started"], begun["finished"], begun["changed"]) == (1, 0, True)
    assert begun["results_file"] == str(user.folder / "async" / begun["ansible_job_id"])
    assert Path(begun["results_file"]).stat().st_mode & 0o777 == 0o600
    assert (ended["finished"], ended["failed"], ended["ansible_job_id"]) == (1, True, begun["ansible_job_id"])
    assert ended["msg"].startswith("ProjectNotFound: project 'p' is neither a folder")
    assert ended["job"]["failure"]["reason"] == "ProjectNotFound"


def test_without_poll_secrets_are_in_no_file_and_no_command_line(user: User) -> None:
    user.write("book/project/site.yml", "[]")
    # The job waits for a program that gives the credentials of its connection.
    login = user.write("login", "#!/bin/sh\n>asked\nuntil [ -e go ]; do sleep 0.1; done\nexit 1\n")
    login.chmod(0o700)
    execute = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(login), "args": []}
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": {**execute, "interactiveMode": "Never"}}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    job = {
        "container_group": {"kubeconfig": kubeconfig},
        "project": "project",
        "playbook": "site.yml",
        "inventory": "a,",
        "credentials": [{"credential_type": "machine", "inputs": {"password": "{{ secret }}"}}],
        "extra_vars": {"token": "{{ secret }}"},
    }
    # Put together by the task only, so that no file of the test's has it.
    secret = {"secret": "{{ 's3cret' ~ '-value' }}"}
    user.play(verb("container_group_job", job, **{"async": 60, "poll": 0, "vars": secret}))
    try:
        user.wait((user.folder / "book" / "asked").exists, "the job to ask for credentials")
        processes = user.processes()
        files = [path for path in user.folder.rglob("*") if path.is_file()]
        assert [path for path in files if SECRET in path.read_bytes()] == []
        # Nor is there a module's file, in which Ansible would pack them.
        assert [path for path in files if path.is_relative_to(user.folder / "remote")] == []
        assert sum(b"entry.py" in lines for lines in processes) == 2
        assert [lines for lines in processes if SECRET in lines] == []
    finally:
        user.write("book/go", "")
        user.wait(lambda: not user.processes(), "the job to end")


def test_without_poll_a_folder_that_cannot_be_made_is_told(user: User) -> None:
    user.write("async", "a file")
    (refused,) = user.play(verb("job_info", {}, **{"async": 60, "poll": 0})).results
    assert refused["failed"]
    assert f"async_dir {user.folder}/async (ANSIBLE_ASYNC_DIR) can't be written to" in refused["msg"]


# --- where relative paths start -----


def test_relative_paths_start_where_whoever_wrote_them_stands(user: User) -> None:
    """Those of a playbook in its folder, those of the environment where Ansible was started."""
    user.write("book/project/site.yml", "[]")
    job = {"project": "project", "playbook": "site.yml", "inventory": "a,"}
    of_task = verb("container_group_job", {**job, "container_group": {"kubeconfig": "of/task"}})
    of_variable = verb("container_group_job", job)
    played = user.play(of_task, of_variable, K8S_AUTH_KUBECONFIG="of/variable")
    messages = [result["msg"] for result in played.results]
    assert f"kubeconfig names {user.folder}/book/of/task, which does not exist" in messages[0]
    assert f"K8S_AUTH_KUBECONFIG names {user.folder}/of/variable, which does not exist" in messages[1]


def test_a_store_of_the_environment_lies_where_ansible_was_started(user: User) -> None:
    user.play(verb("job_info", {}))
    assert (user.store / "jobpods.db").is_file()
