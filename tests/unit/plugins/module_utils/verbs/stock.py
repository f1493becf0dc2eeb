# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller with stored objects, on which a script is ansible-runner."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobRecord, JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    Values,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.job import owner
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import registry, updates
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_checks import (
    check_values,
    read_given,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJob, OwnedJobs
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import (
    DEADLINE,
    Message,
    launcher,
    read_messages,
)

RUNNER = """
import base64, io, json, zipfile
def say(**fields): print(json.dumps(fields), flush=True)
def event(counter, name, stdout, **facts):
    say(uuid=f'u{counter}', counter=counter, event=name, stdout=stdout, event_data=facts)
payload = sys.stdin.buffer.read().split(b'\\n')
arguments = json.loads(payload[0])['kwargs']
encoded = payload[2].removesuffix(b'{"eof": true}')
with zipfile.ZipFile(io.BytesIO(base64.b64decode(encoded))) as archive:
    files = {name: archive.read(name).decode() for name in archive.namelist()}
given = json.loads(files.get('env/extravars', '{}'))
def hosts_of(group):
    found = list(group.get('hosts') or {})
    for child in (group.get('children') or {}).values():
        found += hosts_of(child or {})
    return found
hosts = sorted(set(hosts_of(json.loads(files['inventory/hosts.yml']).get('all', {}))))
say(status='running')
event(1, 'playbook_on_start', 'PLAY on ' + ' '.join(hosts))
while 'until' in given and not os.path.exists(given['until']):
    time.sleep(0.02)
fail = given.get('fail', [])
failed = {host: 1 for host in hosts if fail is True or host in (fail or [])}
failed.update(dict.fromkeys(given.get('lie', []), 1))
counts = {'failures': failed, 'ok': {host: 1 for host in hosts if host not in failed}}
event(2, 'playbook_on_stats', 'RECAP', artifact_data=given.get('set', {}), **counts)
say(status='failed' if failed else 'successful')
say(eof=True)
sys.exit(2 if failed else 0)
"""
"""Tells which hosts it got. By extra variables: it waits until the file `until` is there, the hosts of `fail`
fail (or all, where it is true), and so do those of `lie`, which it may not even have; `set` is what set_stats
does."""


class Stock:
    """A folder with a project and a store, and who asks for verbs there.

    Attributes:
        folder: of the playbook.
        store: the same that the verbs use, on a connection of the test's own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = JobStore.open(store_options({"data_dir": str(folder / "store")}, {}, folder))
        (folder / "project").mkdir()
        (folder / "project" / "site.yml").write_text("- hosts: all\n")

    @property
    def objects(self) -> ObjectStore:
        return self.store.objects

    def add(self, kind: str, name: str, **given: Any) -> int:
        """Makes or changes an object, with all checks but that of the cluster."""
        wanted = Wanted(name, read_given(kind, given, self.folder))
        made = self.objects.save(kind, wanted, check=partial(check_values, kind))
        assert made.id is not None
        return made.id

    def template(self, name: str = "deploy", **given: Any) -> int:
        """A job template of `site.yml`, with the project `code` and the inventory `hosts`."""
        if not self.objects.list("project", name="code"):
            self.add("project", "code", scm_type="manual", local_path="project")
        if not self.objects.list("inventory", name="hosts"):
            self.add("inventory", "hosts", content={"all": {"hosts": {"a": None}}})
        values = {"project": "code", "playbook": "site.yml", "inventory": "hosts", **given}
        return self.add("job_template", name, **values)

    def values(self, kind: str, number: int) -> Values:
        return self.objects.by_id(kind, number).values

    def request(self, verb: str, /, **params: Any) -> Request:
        """A request for a verb, whose runner is the script."""
        how = {name: params.pop(name) for name in ("check", "diff") if name in params}
        return request_for(verb, self.folder, **how, **params)

    async def ask(self, verb: str, /, **params: Any) -> tuple[dict[str, Any], list[Message]]:
        """The result of a verb, and what was told before it."""
        return await self.answered(self.request(verb, **params))

    async def answered(self, request: Request) -> tuple[dict[str, Any], list[Message]]:
        """The result of a request, and what was told before it."""
        async with launcher() as (told, pipe):
            reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, type="end"))
            try:
                async with staying() as stays:
                    answer = await registry.verb(request.verb)(request, told, stays)
            finally:
                told.tell({"type": "end"})
                *messages, _end = await reading
        results = [message.get("result") for message in messages if message["type"] == "result"]
        (result,) = results if answer is None else [answer]
        assert result is not None
        return result, [message for message in messages if message["type"] != "result"]

    async def launch(self, **params: Any) -> tuple[dict[str, Any], list[Message]]:
        """The result of `container_group_job`, and what was told before it."""
        return await self.ask("container_group_job", **{"cancel_grace": 1, **params})

    @asynccontextmanager
    async def jobs(self) -> AsyncIterator[OwnedJobs]:
        """The jobs of a job process; nobody hears what is told of them."""
        request = self.request("job_info")
        async with launcher() as (told, pipe), open_store(request, KeptFeed()) as opened:
            reading = asyncio.create_task(asyncio.to_thread(read_messages, pipe, type="end"))
            made = OwnedJobs(request, opened, told)
            try:
                yield made
            finally:
                made.cancel("The test is over.")
                await made.close()
                told.tell({"type": "end"})
                await reading

    def asked(self, job_id: int) -> dict[str, Any]:
        """The options that a job was launched with."""
        options: dict[str, Any] = self.store.request(job_id)["definition"]["options"]
        return options

    def all_jobs(self) -> list[JobRecord]:
        """All jobs, the oldest first."""
        return sorted(self.store.list(), key=lambda job: job.id)


@asynccontextmanager
async def staying() -> AsyncIterator[Launcher]:
    """A launcher that does not go before the end."""
    pipe = asyncio.StreamReader()
    made = Launcher(pipe, None)
    try:
        yield made
    finally:
        pipe.feed_eof()
        await made.gone()


async def until(done: Callable[[], bool]) -> None:
    """Waits for something to be so."""
    async with deadline(DEADLINE):
        while not done():
            await asyncio.sleep(0.02)


async def ended(job: OwnedJob) -> OwnedJob:
    """A job, when it has ended."""
    async with deadline(DEADLINE):
        await job.ended()
    return job


def scripted_runner(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str = RUNNER) -> None:
    """Has a script be ansible-runner, beside the Python that this runs in."""
    scripted_worker(folder, script)
    (folder / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python"))


def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the waits of jobs short that a test would wait for."""
    monkeypatch.setattr(updates, "PLACE_INTERVAL", 0.02)
    monkeypatch.setattr(owner, "HEARTBEAT_INTERVAL", 0.05)
