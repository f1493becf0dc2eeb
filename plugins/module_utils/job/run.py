# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a job in a pod: attach, send, listen, and decide how it ended."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.conversation import Conversation, Terms
from ansible_collections.jobpods.controller.plugins.module_utils.job.creation import Creation
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream, Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import Launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.parties import PayloadSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_watch import (
    LAST_WORDS,
    LAST_WORDS_DELETED,
    PodWatch,
    StartLimits,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod import spec
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended

EARLY_ATTACHES = (0.25, 0.2, 0.25, 0.4)
"""Pauses before each attach after the scheduling: containers run 0.2 to 0.5 s after it, and the API says so
up to a second later. Where none of them meets the container, the watch says when it runs."""
KILL_LIMIT = 12.0
"""Seconds beyond the grace that the supervisor may take to report the end of a cancelled run."""


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        failure: None for success.
        summary: what its events added up to.
        ended: the supervisor's report, where there was one.
        worker_started: the playbook may have begun.
    """

    failure: Failure | None
    summary: Summary
    ended: Ended | None = None
    worker_started: bool = False


@dataclass(frozen=True)
class RunRequest:
    """What a run is made from.

    Attributes:
        launch: what is run, and its limits.
        identity: names the pod.
        lease: fencing number of the job's owner.
        payload: builds the payload, and may stop early where the event is set; called in a thread.
    """

    launch: Launch
    identity: spec.PodIdentity
    lease: int
    payload: Callable[[threading.Event], Payload]


@dataclass
class PayloadFile:
    """A payload as the conversation reads it."""

    payload: Payload
    length: int = field(init=False)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        self.length, self.sha256 = self.payload.length, self.payload.sha256

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        return os.pread(self.payload.file.fileno(), size, offset)


class Run:
    """Runs a job once, in one pod. It listens to the conversation itself.

    Attributes:
        pod_name: of the pod, from the start.
        conversation: the talk with the supervisor, once there is a pod.
        summary: what the events added up to so far.
    """

    def __init__(
        self, request: RunRequest, client: ClusterClient, notebook: Notebook, progress: Progress
    ) -> None:
        self.pod_name = request.identity.pod_name
        self.conversation: Conversation | None = None
        self._request = request
        self._launch = launch = request.launch
        self._client = client
        self._notebook = notebook
        self._progress = progress
        self._creation = Creation(client, launch.group.pod_pending_timeout, notebook, progress)
        self._stream = RunnerStream()
        self._cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self._start_told = self._started = False
        self._away_since: float | None = None
        self._watch: PodWatch | None = None
        self._marking: asyncio.Task[None] | None = None

    @property
    def summary(self) -> Summary:
        """What the events added up to so far."""
        return self._stream.summary

    @property
    def pod_uid(self) -> str | None:
        """The pod's UID, once it is known."""
        return self._creation.uid

    @property
    def created(self) -> bool:
        """A create was sent and not refused, so that there may be a pod."""
        return self._creation.may_exist

    def cancel(self, failure: Failure) -> None:
        """Stops the run as gently as its state allows; `execute` ends with `failure`."""
        if not self._cancel.done():
            self._progress.step(f"canceling: {failure.message}")
            self._cancel.set_result(failure)

    async def stored(self, offset: int) -> None:
        """Tells that the output below `offset` is in the store."""
        if self.conversation is not None:
            await self.conversation.store_reached(offset)

    async def close(self) -> None:
        """Leaves the pod, whatever runs in it."""
        if self.conversation is not None:
            await self.conversation.close()
        if self._marking is not None:  # not cancelled: the row must say when the job started
            await self._marking

    async def execute(self) -> Outcome:
        """Runs the job; the pod is left for the caller to delete, and the conversation to say `bye` to.

        Returns:
            How it ended; a `Failure` of any kind is an outcome, not raised.
        """
        unwanted = threading.Event()
        payload: asyncio.Future[PayloadSource] = asyncio.get_running_loop().run_in_executor(
            None, lambda: PayloadFile(self._request.payload(unwanted))
        )
        # A payload that can't be built must not wait for a pod: its failure stops the run like a cancel.
        payload.add_done_callback(self._payload_built)
        tasks: list[asyncio.Task[Any]] = []
        try:
            manifest = self._manifest()
            worker = spec.worker_name(manifest)
            pod = await self._creation.create(manifest, self._cancel)
            watch = self._watch = self._new_watch(pod, worker)
            watching = asyncio.create_task(watch.run())
            tasks.append(watching)
            self.conversation = Conversation(self._attach(pod, worker), payload, self, self._terms())
            talk = asyncio.create_task(self._talk(self.conversation, watch))
            tasks.append(talk)
            return await self._await_end(talk, watch, watching)
        except Failure as failure:
            return self._outcome(failure)
        except Unreachable as exc:
            return self._outcome(exc.failure)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            unwanted.set()  # it may be large: nobody waits until it is built
            payload.add_done_callback(_close)

    def _payload_built(self, built: asyncio.Future[PayloadSource]) -> None:
        error = None if built.cancelled() else built.exception()
        if isinstance(error, Failure) and not self._cancel.done():
            self._cancel.set_result(error)

    def _terms(self) -> Terms:
        launch = self._launch
        return Terms(
            lease=self._request.lease,
            timeout=launch.timeout or None,
            cancel_grace=launch.cancel_grace,
            outage_limit=launch.group.cluster_outage_timeout,
        )

    # -- the pod --

    def _manifest(self) -> dict[str, Any]:
        launch = self._launch
        deadline = None
        if launch.timeout:
            deadline = launch.group.pod_pending_timeout + launch.timeout + spec.DEADLINE_MARGIN
        return spec.pod_manifest(
            self._request.identity,
            namespace=launch.namespace,
            override=launch.group.pod_spec_override,
            execution_environment=launch.group.execution_environment,
            supervisor_config={"controller_lost_timeout": launch.controller_lost_timeout},
            active_deadline=deadline,
        )

    def _new_watch(self, pod: dict[str, Any], worker: str) -> PodWatch:
        group = self._launch.group
        limits = StartLimits(group.pod_pending_timeout, group.image_pull_timeout)
        return PodWatch(self._client, pod, worker, limits, self._creation.since, self._progress)

    def _attach(self, pod: dict[str, Any], worker: str) -> Callable[[], Awaitable[Any]]:
        metadata = pod["metadata"]
        return lambda: self._client.attach(metadata["namespace"], metadata["name"], worker)

    # -- the talk --

    async def _talk(self, conversation: Conversation, watch: PodWatch) -> Ended:
        for pause in EARLY_ATTACHES:
            while not watch.state.node:
                await self._wait_change(watch)
            if watch.state.container != "running":
                await asyncio.sleep(pause)
            if await conversation.try_once():
                return await conversation.run()
        while watch.state.container != "running":
            await self._wait_change(watch)
        return await conversation.run()

    @staticmethod
    async def _wait_change(watch: PodWatch) -> None:
        watch.changed.clear()
        await watch.changed.wait()

    async def _await_end(
        self, talk: asyncio.Task[Ended], watch: PodWatch, watching: asyncio.Task[None]
    ) -> Outcome:
        news = (talk, watch.lost, watching, self._cancel)
        await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
        if talk.done():
            return await self._ended(talk.result(), None)
        if self._cancel.done():
            return await self._canceled(talk, self._cancel.result())
        if not watch.lost.done():
            watching.result()  # it met an error of its own; whoever waits for its news would wait for ever
        return await self._lost(talk, watch)

    async def _canceled(self, talk: asyncio.Task[Ended], failure: Failure) -> Outcome:
        """Lets the supervisor stop the run and send the rest of the output, where it can be reached."""
        conversation = self.conversation
        if conversation is not None and conversation.heard:
            grace = self._launch.cancel_grace
            await conversation.cancel(grace)
            await asyncio.wait((talk,), timeout=grace + KILL_LIMIT)
        if talk.done() and talk.exception() is None:
            ended = talk.result()
            if ended.cause != "cancel":  # it was over before the cancel came
                return self._outcome(verdict(ended, self.summary, self._launch.timeout), ended)
            return self._outcome(failure, ended)
        return self._outcome(failure)

    async def _lost(self, talk: asyncio.Task[Ended], watch: PodWatch) -> Outcome:
        """The pod says that it is over; the stream may know better, and gets a moment to say so."""
        failure = watch.lost.result()
        if self.conversation is not None and self.conversation.heard:
            deleted = watch.state.deleting and watch.state.container == "running"
            wait = LAST_WORDS_DELETED if deleted else LAST_WORDS
            await asyncio.wait((talk, self._cancel), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        if talk.done() and talk.exception() is None:
            return await self._ended(talk.result(), failure)
        if not failure.traceback:
            failure.traceback = await watch.words()
        if self.summary.last_lines:
            failure.traceback += "\nlast output of the playbook:\n" + "\n".join(self.summary.last_lines)
        return self._outcome(failure)

    async def _ended(self, ended: Ended, lost: Failure | None) -> Outcome:
        if ended.cause == "cancel" and lost is None and self._watch is not None:
            # Not our cancel: the pod was told to stop. The watch knows by whom, or will in a moment.
            await asyncio.wait((self._watch.lost,), timeout=LAST_WORDS)
            lost = self._watch.lost.result() if self._watch.lost.done() else None
        failure = verdict(ended, self.summary, self._launch.timeout)
        if failure is not None and lost is not None and ended.cause == "cancel":
            failure = lost
        return self._outcome(failure, ended)

    def _outcome(self, failure: Failure | None, ended: Ended | None = None) -> Outcome:
        # Where the pod can't tell any more, the runner may have been started unseen.
        may_have_run = self._started or (self._start_told and ended is None)
        return Outcome(failure, self.summary, ended, may_have_run)

    # -- what the conversation tells (Listener) --

    async def output(self, piece: bytes) -> int:
        """Reads the events in it, shows them and takes them to the store."""
        batch = self._stream.feed(piece)
        if batch.lines:
            self._progress.events(batch)
        self._notebook.record(batch)
        return batch.offset

    def connected(self) -> None:
        """Notes that the supervisor answers, and says so where the connection was gone."""
        if self._watch is not None:
            self._watch.supervisor_answered()
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self._away_since = None
            run = "the run went on, and " if self._started else ""
            self._progress.step(f"connected again after {away:.1f} s; {run}nothing is lost")

    def disconnected(self, trouble: Unreachable) -> None:
        """Tells once that a connection broke, from the supervisor's first answer on."""
        heard = self.conversation is not None and self.conversation.heard
        if self._away_since is None and heard:
            self._away_since = time.monotonic()
            limit = self._launch.group.cluster_outage_timeout
            run = "the run goes on in it, and " if self._started else ""
            self._progress.warning(
                f"the connection to the pod is gone; {run}connecting is tried for {limit} s:"
                f" {trouble.failure.message}"
            )

    def received(self) -> None:
        """Tells that the pod has the payload."""
        self._progress.step("payload received", verbosity=1)

    def starting(self) -> None:
        """Notes that the playbook may run from now on."""
        self._start_told = True

    def started(self) -> None:
        """Tells that the playbook was started, and marks the job as running."""
        self._started = True
        self._progress.step("playbook started", verbosity=1)
        self._marking = asyncio.create_task(self._note_running())

    async def _note_running(self) -> None:
        node = self._watch.state.node if self._watch is not None else ""
        try:
            await self._notebook.note(status="running", execution_node=node)
        except Exception as exc:  # the run goes on; where the store is gone, storing its events ends it
            self._progress.warning(f"the job could not be marked as running: {exc!r}")


def _close(payload: asyncio.Future[PayloadSource]) -> None:
    """Closes the file of a payload that nobody needs any more."""
    if not payload.cancelled() and payload.exception() is None:
        built = payload.result()
        if isinstance(built, PayloadFile):
            built.payload.file.close()
