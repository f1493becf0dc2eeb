# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a job on the controller node, without a pod: what the group `controlplane` is."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.conversation import Conversation
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_supervisor import LocalSupervisor
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import OwnedRun, Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.parties import PayloadSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import (
    KILL_LIMIT,
    Outcome,
    RunRequest,
    SupervisedRun,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended

PLACE = "the controller node"
LAST_WORDS = 2.0
"""Seconds that the end of a supervisor's output may take to be read after its end."""


def on_controller(request: RunRequest, folder: Path, environ: Mapping[str, str]) -> Start:
    """Starts a run on the controller node; the arguments are those of `LocalRun`."""

    async def start(_stack: AsyncExitStack, notebook: Notebook, progress: Progress) -> OwnedRun:
        return LocalRun(request, folder, environ, notebook, progress)

    return start


class LocalRun(SupervisedRun):
    """Runs a job once, on this machine. There is no pod: `pod_name` is empty."""

    def __init__(
        self,
        request: RunRequest,
        folder: Path,
        environ: Mapping[str, str],
        notebook: Notebook,
        progress: Progress,
    ) -> None:
        """Gets ready.

        Args:
            request: what to run.
            folder: the job's; the run works in a private folder in it, which is gone at the end.
            environ: the caller's environment, which becomes the run's.
            notebook: where to write down what must not be forgotten.
            progress: told what happens.
        """
        super().__init__(request, notebook, progress)
        self._folder = folder
        self._environ = environ
        self._made: list[Path] = []
        self._supervisor: LocalSupervisor | None = None
        self._over = False

    async def close(self) -> None:
        """Ends the supervisor, with whatever still runs there, and removes the run's folder."""
        await super().close()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            # After its report it has nothing left to stop.
            await supervisor.end(KILL_LIMIT if self._over else self._launch.cancel_grace + KILL_LIMIT)
            if supervisor.left:
                self._progress.warning(
                    f"{supervisor.left} processes of the run could not be killed on {PLACE}"
                )
        made, self._made = self._made, []
        await asyncio.to_thread(_remove, made, self._folder)

    async def _perform(self, payload: asyncio.Future[PayloadSource]) -> Outcome:
        if self._cancel.done():
            raise self._cancel.result()
        self._progress.step(f"running on the controller node {self.execution_node}, without a pod")
        self._notebook.phase("starting", PLACE)
        await self._notebook.note(status="waiting", job_explanation="")
        private_data_dir = self._make_folders()
        config = {
            "controller_lost_timeout": self._launch.controller_lost_timeout,
            "private_data_dir": str(private_data_dir),
            "removes": [str(folder) for folder in self._made],
        }
        supervisor = self._supervisor = await LocalSupervisor.start(config, self._environ)
        self.conversation = Conversation(supervisor.attach, payload, self, self._terms())
        talk = asyncio.create_task(self.conversation.run())
        over = asyncio.create_task(supervisor.wait())
        self._tasks += [talk, over]
        await asyncio.wait((talk, over, self._cancel), return_when=asyncio.FIRST_COMPLETED)
        if over.done():  # what it wrote before may still have to be read
            await asyncio.wait((talk,), timeout=LAST_WORDS)
            if not talk.done():
                return self._outcome(supervisor.lost)
        if talk.done():
            return self._ended(talk.result())
        return await self._canceled(talk, self._cancel.result())

    def _make_folders(self) -> Path:
        """Makes the run's folder; returns the path by which the run knows it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._folder))
            self._made.append(folder)
            if not self._launch.credentials.machine.ssh_key_unlock:
                return folder
            # ssh-add asks for the passphrase with the key's path, and ansible-runner sees the last 100
            # characters of a question only: so this path must be short.
            short = Path(tempfile.mkdtemp(prefix="run-"))
            self._made.append(short)
            link = short / "r"
            link.symlink_to(folder)
        except OSError as exc:
            raise Failure(
                "InvalidConfiguration",
                f"data_dir: the run's folder can't be made in {self._folder}: {exc.strerror}.",
            ) from exc
        return link

    def _ended(self, ended: Ended) -> Outcome:
        failure = self._verdict(ended)
        if ended.cause == "cancel":
            failure = Failure(
                "ControllerLost",
                "The program that supervised the run was asked to stop by somebody else than the controller.",
                hint="Find out who stopped it, for example a shutdown, and launch again.",
                traceback=ended.stderr,
            )
        elif ended.cause == "runner_missing":
            failure = Failure(
                "RunnerMissing",
                f"ansible-runner can't be started on {PLACE}: {ended.message}.",
                hint="Install ansible-runner into the Python that runs ansible-playbook.",
                traceback=ended.stderr,
            )
        return self._outcome(failure, ended)

    def _verdict(self, ended: Ended) -> Failure | None:
        # What the kernel killed on this machine need not have been of this run.
        return verdict(replace(ended, memory_kills=None), self.summary, self._launch.timeout, PLACE)

    def _outcome(self, failure: Failure | None, ended: Ended | None = None) -> Outcome:
        self._over = self._over or ended is not None
        return super()._outcome(failure, ended)

    def _away(self, trouble: Unreachable) -> str:
        return f"the supervisor of the run does not answer: {trouble.failure.message}"

    @property
    def execution_node(self) -> str:
        """This machine."""
        return self._request.identity.controller


def _remove(made: list[Path], folder: Path) -> None:
    for each in made:
        shutil.rmtree(each, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()  # others may keep something in it
