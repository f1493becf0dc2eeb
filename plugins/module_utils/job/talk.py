# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each run of a job is, in a pod or without one: a talk with a supervisor, and how it ended."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.conversation import Conversation, Terms
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream, Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import KeptPod
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import Launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.parties import PayloadSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.redaction import hide
from ansible_collections.jobpods.controller.plugins.module_utils.job.resources import (
    PodResources,
    Used,
    job_resources,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import after, verbosity_of
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended

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
        repeated: it may have begun in an earlier attempt, of which the summary says nothing.
        resources: what the run used, beside what its pod asks for; None where nothing was measured.
    """

    failure: Failure | None
    summary: Summary
    ended: Ended | None = None
    worker_started: bool = False
    repeated: bool = False
    resources: dict[str, Any] | None = None


@dataclass(frozen=True)
class TakenOver:
    """What is known of a run that an earlier owner of the job has begun.

    Attributes:
        pod_name: of its pod.
        pod_uid: of its pod; empty where that was never heard of.
        stream: has read what is stored.
        started: the playbook has begun.
    """

    pod_uid: str
    stream: RunnerStream
    started: bool
    pod_name: str = ""


@dataclass(frozen=True)
class Marks:
    """How a store knows again what it has made where others can write.

    Attributes:
        store: tells it from others.
        mark: what only it can tell of a text.
        has: whether its job of a UUID has the pod of a UID; not so once the pod is deleted.
    """

    store: str
    mark: Callable[[str], str] = field(repr=False)
    has: Callable[[str, str], Awaitable[bool]] = field(repr=False)


@dataclass(frozen=True)
class RunRequest:
    """What a run is made from.

    Attributes:
        launch: what is run, and its limits.
        identity: names the pod.
        lease: fencing number of the job's owner.
        payload: builds the payload, and may stop early where the event is set; called in a thread.
        taken: the run as it was found; None for a new one.
        repeated: the playbook may have begun in an earlier attempt.
        reached: addresses of the API servers that have made a pod for this process, which its jobs share.
        marks: how the store knows its warm pods; None where none are used.
    """

    launch: Launch
    identity: PodIdentity
    lease: int
    payload: Callable[[threading.Event], Payload]
    taken: TakenOver | None = None
    repeated: bool = False
    reached: set[str] = field(default_factory=set)
    marks: Marks | None = None


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


class SupervisedRun(ABC):
    """Runs a job once. It listens to the conversation itself.

    Attributes:
        pod_name: of the pod, from the start; empty where there is none.
        conversation: the talk with the supervisor, once there is one.
    """

    def __init__(self, request: RunRequest, notebook: Notebook, progress: Progress) -> None:
        self.pod_name = ""
        self.conversation: Conversation | None = None
        self._request = request
        self._launch = request.launch
        self._notebook = notebook
        self._progress = progress
        self._taken = request.taken
        fresh = RunnerStream(limits=request.launch.output_limits)
        self._stream = self._taken.stream if self._taken is not None else fresh
        self._cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self._started = self._taken is not None and self._taken.started
        # An earlier owner may have said so to its pod; only the supervisor knows that it did not.
        self._start_told = self._started or (self._taken is not None and bool(self._taken.pod_uid))
        self._answered = asyncio.Event()
        self._payload_size = ""
        self._wanted = asyncio.Event()
        self._away_since: float | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._marking: asyncio.Task[None] | None = None

    @property
    def pod_uid(self) -> str | None:
        """The pod's UID, once it is known; None where there is none."""
        return None

    @property
    def summary(self) -> Summary:
        """What the events added up to so far."""
        return self._stream.summary

    def cancel(self, failure: Failure) -> None:
        """Stops the run as gently as its state allows; `execute` ends with `failure`."""
        if not self._cancel.done():
            self._progress.step(f"canceling: {failure.message}")
            self._cancel.set_result(failure)

    async def stored(self, offset: int) -> None:
        """Tells that the output below `offset` is in the store."""
        if self.conversation is not None:
            await self.conversation.store_reached(offset)

    async def bye(self) -> None:
        """Tells that everything is stored: the supervisor ends."""
        if self.conversation is not None:
            await self.conversation.bye()

    async def keep(self, outcome: Outcome) -> KeptPod | None:
        """Has the pod stay for people to look into it; None where there is none, or it is not wanted."""
        return None

    def removal(self, outcome: Outcome) -> Coroutine[Any, Any, bool] | None:
        """Deletes the pod, and says whether it is gone; None where there is none."""
        return None

    async def close(self) -> None:
        """Leaves the supervisor, whatever runs there."""
        if self.conversation is not None:
            await self.conversation.close()
        if self._marking is not None:  # not cancelled: the row must say when the job started
            await self._marking

    async def execute(self) -> Outcome:
        """Runs the job; a pod is left for the caller to delete, and the conversation to say `bye` to.

        Returns:
            How it ended; a `Failure` of any kind is an outcome, not raised.
        """
        unwanted = threading.Event()
        payload: asyncio.Future[PayloadSource] = asyncio.ensure_future(self._build(unwanted))
        if self._taken is None:
            self.wanted()
        # A payload that can't be built must not wait for a pod: its failure stops the run like a cancel.
        payload.add_done_callback(self._payload_built)
        try:
            return await self._perform(payload)
        except Failure as failure:
            return self._outcome(failure)
        except Unreachable as exc:
            return self._outcome(exc.failure)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            unwanted.set()  # it may be large: nobody waits until it is built
            if not self._wanted.is_set():
                payload.cancel()
            payload.add_done_callback(_close)

    async def _build(self, unwanted: threading.Event) -> PayloadSource:
        await self._wanted.wait()
        source = PayloadFile(await asyncio.to_thread(self._request.payload, unwanted))
        self._payload_size = f"payload of {-(-source.length // 1024)} KiB"
        return source

    @abstractmethod
    async def _perform(self, payload: asyncio.Future[PayloadSource]) -> Outcome:
        """Starts the supervisor and talks with it; what it puts into `_tasks` is ended after it."""

    @property
    @abstractmethod
    def execution_node(self) -> str:
        """Name of the machine that the run is on."""

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
            lost_timeout=launch.controller_lost_timeout if self.pod_name else None,
        )

    async def _canceled(self, talk: asyncio.Task[Ended], failure: Failure) -> Outcome:
        """Lets the supervisor stop the run and send the rest of the output, where it can be reached."""
        conversation = self.conversation
        if conversation is not None and conversation.heard and not self._start_told:
            # Nothing has begun that could be asked to stop, and the payload may be under way for long.
            talk.cancel()
            await asyncio.gather(talk, return_exceptions=True)
            await conversation.close()
            return self._outcome(failure)
        if conversation is not None and self._taken is not None and not conversation.heard:
            answer = asyncio.create_task(self._answered.wait())
            self._tasks.append(answer)
            await asyncio.wait((talk, answer), timeout=KILL_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        if conversation is not None and conversation.heard:
            grace = self._launch.cancel_grace
            await conversation.cancel(grace)
            await self._await_rest(talk, conversation, grace + KILL_LIMIT)
        if talk.done() and talk.exception() is None:
            ended = talk.result()
            if ended.cause != "cancel":  # it was over before the cancel came
                return self._outcome(self._verdict(ended), ended)
            return self._outcome(failure, ended)
        return self._outcome(failure)

    async def _await_rest(self, talk: asyncio.Task[Ended], conversation: Conversation, limit: float) -> None:
        """Waits for the end of a run that was told to stop, as long as its output comes on a slow line."""
        latest = time.monotonic() + self._launch.group.cluster_outage_timeout
        arrived = -1
        while not talk.done() and conversation.arrived > arrived:
            if arrived >= 0:
                self._progress.step("canceling: waiting for the rest of the output", verbosity=1)
            arrived = conversation.arrived
            await asyncio.wait((talk,), timeout=limit)
            limit = min(KILL_LIMIT, latest - time.monotonic())
            if limit <= 0:
                break

    def _outcome(self, failure: Failure | None, ended: Ended | None = None) -> Outcome:
        if failure is not None:
            environment = self._launch.group.execution_environment
            registry = environment.registry if environment is not None else None
            hide(failure, [*self._launch.credentials.secrets, *([registry.password] if registry else ())])
        out_of_memory = failure is not None and failure.reason == "OOMKilled"
        resources = job_resources(self._used(ended), self._asked, out_of_memory=out_of_memory)
        may_have_run = self.may_have_run(ended)
        return Outcome(failure, self.summary, ended, may_have_run, self._request.repeated, resources)

    @property
    def _asked(self) -> PodResources:
        """What the pod asks for; nothing where there is none."""
        return PodResources()

    def _used(self, ended: Ended | None) -> Used:
        """What is known of what the run used: without a report, what was told before."""
        if ended is not None:
            return Used(ended.memory_peak, ended.cpu_p95, ended.cpu_seconds)
        return Used(self.conversation.memory_peak if self.conversation is not None else None)

    def may_have_run(self, ended: Ended | None) -> bool:
        """Whether the playbook may have begun.

        Where the supervisor can't tell any more, since there is no report, it may have begun unseen.
        """
        return self._started or (self._start_told and ended is None)

    def _verdict(self, ended: Ended) -> Failure | None:
        return verdict(ended, self.summary, self._launch.timeout, memory_limit=self._asked.memory_limit)

    # -- what the conversation tells (Listener) --

    async def output(self, piece: bytes) -> int:
        """Reads the events in it, shows them and takes them to the store."""
        batch = self._stream.feed(piece)
        if self._stream.summary.first_task:
            self._notebook.begun(self._stream.summary.first_task)
        if any(event.name == "playbook_on_vars_prompt" for event in batch.events):
            self._progress.warning(
                "the playbook asks for a variable (vars_prompt) and waits, but nobody can answer it in a job;"
                " give the variable in extra_vars"
            )
        if batch.lines:
            self._progress.events(batch)
        self._notebook.record(batch)
        return batch.offset

    def connected(self) -> None:
        """Notes that the supervisor answers, and says so where the connection was gone."""
        self._answered.set()
        self._notebook.phase("sending")
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
            self._progress.warning(self._away(trouble))

    @abstractmethod
    def _away(self, trouble: Unreachable) -> str:
        """What to say where a connection broke."""

    def wanted(self) -> None:
        """Has the payload built, which a run that was taken over needs only where it is not in the pod.

        Without a payload nothing has begun: who was told to start it before has not heard that.
        """
        self._start_told = self._started
        self._wanted.set()

    def received(self) -> None:
        """Tells that the payload is where the run is."""
        self._notebook.phase("sending", self._payload_size)
        self._progress.step("payload received", verbosity=1)

    def starting(self) -> None:
        """Notes that the playbook may run from now on."""
        self._start_told = True

    def started(self) -> None:
        """Tells that the playbook was started, and marks the job as running."""
        self._started = True
        lasted = self._notebook.phase("playbook")
        self._progress.step(f"playbook started{after(lasted)}", verbosity_of(lasted))
        self._marking = asyncio.create_task(self._note_running())

    async def _note_running(self) -> None:
        try:
            await self._notebook.note(status="running", execution_node=self.execution_node)
        except Exception as exc:  # the run goes on; where the store is gone, storing its events ends it
            self._progress.warning(f"the job could not be marked as running: {exc!r}")


def _close(payload: asyncio.Future[PayloadSource]) -> None:
    """Closes the file of a payload that nobody needs any more."""
    if not payload.cancelled() and payload.exception() is None:
        built = payload.result()
        if isinstance(built, PayloadFile):
            built.payload.file.close()
