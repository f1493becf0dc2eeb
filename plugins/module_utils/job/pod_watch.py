# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a job's pod and says when it is lost: at once where waiting can't help, else at a limit."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    WatchExpired,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import REFUSAL_GRACE
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_state import (
    EVENTS_NOT_READABLE,
    PodState,
    evidence,
    final_trouble,
    lasting_trouble,
    pending_words,
    pod_state,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import Phase, after, verbosity_of

START_TROUBLE_LIMIT = 60.0
"""Seconds for which the kubelet may try again to start a container whose configuration or runtime refuses."""
MISSING_WORDS = ("not found", "non-existent")
"""What kubelets and schedulers say of a volume whose source is missing."""
SILENCE_LIMIT = 120.0
"""Seconds that a running worker container may take until the supervisor in it answers."""
SLOW_START = 1.5
"""Seconds after its scheduling from which on the events of a pod that doesn't run are worth a request."""
EVENTS_INTERVAL = 15.0
"""Seconds between two looks at the events of a pod that doesn't start."""
WORDS_LIMIT = 5.0
"""Seconds that the end of a job waits for what the API server has to say about its pod."""
LIMIT_INTERVAL = 0.25
WATCH_BACKOFF = (0.5, 1.0, 2.0, 5.0)
SHORT_WATCH = 5.0
"""Seconds; after a watch that ends sooner, the next one waits longer, so that no API server is overrun."""
REFUSALS_APART = 60.0
"""Seconds between two refusals that have nothing to do with each other: a watch that is open says nothing."""
LAST_WORDS = 3.0
"""Seconds that the stream gets to tell how the run ended, after the pod says that its worker has."""
LAST_WORDS_DELETED = 12.0
"""The same where the pod is being deleted: the supervisor hears SIGTERM and gives Ansible its grace first."""


@dataclass(frozen=True)
class StartLimits:
    """Seconds that a pod's start may take.

    Attributes:
        pod_pending: from the job's first create until its supervisor answers.
        image_pull: from the first failed pull of the image.
    """

    pod_pending: float
    image_pull: float


class PodWatch:
    """Follows one pod from its creation on.

    Attributes:
        state: the pod as last seen.
        lost: resolves with the failure of a pod that won't do the job, or never.
        changed: set whenever `state` changes.
    """

    def __init__(
        self,
        client: ClusterClient,
        pod: dict[str, Any],
        worker: str,
        limits: StartLimits,
        since: float,
        notebook: Notebook,
        progress: Progress,
        *,
        begun: bool = False,
    ) -> None:
        """Gets ready; `run` watches.

        Args:
            client: the cluster.
            pod: as the API server answered the create.
            worker: name of the worker container.
            limits: how long the start may take.
            since: `time.monotonic()` of the job's first create.
            notebook: told the phases of the start.
            progress: told each step.
            begun: the supervisor has answered an earlier owner of the job, so that it is not the start that
                takes long where it does not answer this one.
        """
        self.pod = pod
        self.state: PodState = pod_state(pod, worker)
        self.lost: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        self.answered = begun
        self._client = client
        self._worker = worker
        self._limits = limits
        self._since = since
        self._notebook = notebook
        self._progress = progress
        self._trouble: tuple[Failure, float] | None = None
        self._told: set[str] = set()
        self._events: list[dict[str, Any]] = []
        self._scheduled_at: float | None = None
        self._running_since: float | None = None
        self._refused_since: float | None = None
        self._refused_at = 0.0
        self._unheard = ""

    async def run(self) -> None:
        """Watches, until it is cancelled."""
        self._see(self.pod)
        await asyncio.gather(self._follow(), self._mind_limits())

    def supervisor_answered(self) -> None:
        """The pod runs, as its supervisor says: the limits of the start no longer count."""
        self.answered = True
        self._tell_running("sending")

    def unheard(self, words: str) -> None:
        """Keeps in mind why the supervisor could not be asked, for where it never answers."""
        self._unheard = words

    async def words(self) -> str:
        """The cluster's own words about the pod as it is now, for `result_traceback`."""
        with suppress(asyncio.TimeoutError):  # the cluster may be away
            await within(WORDS_LIMIT, self._read_events())
        return evidence(self.pod, self._events)

    async def look(self) -> bool:
        """Whether the API server still shows the pod, when asked now."""
        metadata = self.pod["metadata"]
        try:
            return bool(await within(WORDS_LIMIT, self._look_again(metadata["namespace"], metadata["name"])))
        except (Failure, Unreachable, asyncio.TimeoutError):
            return False

    # -- following --

    async def _follow(self) -> None:
        metadata = self.pod["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        version = metadata["resourceVersion"]
        tries = 0
        while not self.lost.done():
            began = time.monotonic()
            try:
                if not version:
                    version = await self._look_again(namespace, name)
                    if self.lost.done():
                        return
                async with aclosing(self._client.follow_pod(self.pod, version)) as changes:
                    async for change in changes:
                        self._refused_since = None
                        version = change.pod["metadata"]["resourceVersion"]
                        if change.kind == "DELETED":
                            self._gone()
                            return
                        self._see(change.pod)
            except WatchExpired:
                version = ""
            except (Failure, Unreachable) as trouble:
                # The conversation tells about it and has the limit for it; here it's enough to look again.
                version = ""
                self._running_since = None
                if isinstance(trouble, Failure):
                    self._refused(trouble)
            if time.monotonic() - began >= SHORT_WATCH:
                tries = 0
            await asyncio.sleep(WATCH_BACKOFF[min(tries, len(WATCH_BACKOFF) - 1)])
            tries += 1

    async def _look_again(self, namespace: str, name: str) -> str:
        """The pod's version now; "" where it is gone."""
        pod = await self._client.get_pod(namespace, name)
        if pod is None or pod["metadata"]["uid"] != self.state.uid:
            self._gone()
            return ""
        self._see(pod)
        return str(pod["metadata"]["resourceVersion"])

    def _refused(self, failure: Failure) -> None:
        """Gives the API server time to know our rights; a job that it has known all along goes on without."""
        now = time.monotonic()
        if self._refused_since is None or now - self._refused_at > REFUSALS_APART:
            self._refused_since = now
            self._progress.warning(f"the pod can't be watched, which is tried again: {failure.message}")
        self._refused_at = now
        if not self.answered and now - self._refused_since >= REFUSAL_GRACE:
            self._lose(failure)

    def _see(self, pod: dict[str, Any]) -> None:
        if pod["metadata"].get("uid") != self.state.uid:
            return
        self.pod = pod
        self.state = state = pod_state(pod, self._worker)
        self.changed.set()
        if state.node and self._scheduled_at is None:
            self._scheduled_at = time.monotonic()
            self._tell_scheduled(state.node)
        if state.container == "running":
            self._running_since = self._running_since or time.monotonic()
            self._tell_running("connecting")
        trouble = final_trouble(state)
        if trouble is not None:
            self._lose(trouble)

    def _gone(self) -> None:
        self._lose(
            Failure("PodDeleted", "The pod was deleted by somebody else.", details=self.state.as_details())
        )

    def _lose(self, failure: Failure) -> None:
        if not self.lost.done():
            self.lost.set_result(failure)

    def _tell_scheduled(self, node: str) -> None:
        before = f"; before that: {self._trouble[0].message}" if self._trouble is not None else ""
        self._notebook.phase("scheduling", f"on node {node}{before}")
        lasted = self._notebook.phase("starting")
        self._progress.step(f"scheduled on node {node}{after(lasted)}", verbosity_of(lasted))

    def _tell_running(self, phase: Phase) -> None:
        """Tells once that the pod runs, and what comes after that."""
        lasted = self._notebook.phase(phase)
        self._tell("running", f"running on node {self.state.node}{after(lasted)}")

    def _tell(self, key: str, text: str, verbosity: int = 0) -> None:
        if key not in self._told:
            self._told.add(key)
            self._progress.step(text, verbosity)

    # -- limits of the start --

    async def _mind_limits(self) -> None:
        next_events = 0.0
        while not self.answered and not self.lost.done():
            now = time.monotonic()
            slow = self._scheduled_at is not None and now - self._scheduled_at >= SLOW_START
            if slow and self.state.container in ("absent", "waiting") and now >= next_events:
                next_events = now + EVENTS_INTERVAL
                await self._read_events()
                self._tell_pulling()
            self._check_trouble(now)
            if self._running_since is not None and now - self._running_since >= SILENCE_LIMIT:
                self._lose(self._silence(f"for {SILENCE_LIMIT:.0f} s"))
            if now - self._since >= self._limits.pod_pending:
                self._lose(await self._pending_too_long())
            await asyncio.sleep(LIMIT_INTERVAL)
        if "pulling" in self._told and self.answered:  # its end says how long the pull itself took
            await self._read_events()
            self._tell_pulling()

    def _check_trouble(self, now: float) -> None:
        trouble = lasting_trouble(self.state, self._events)
        if trouble is None:
            if self.state.container == "running":
                self._trouble = None
            return
        first = self._trouble is None or self._trouble[0].reason != trouble.reason
        since = now if first or self._trouble is None else self._trouble[1]
        self._trouble = (trouble, since)
        if first:
            self._notebook.phase(_phase_of(trouble, self.state), trouble.message)
            self._progress.warning(f"{trouble.message} It is tried again.")
        limit = self._limit_of(trouble)
        if limit is not None and now - since >= limit:
            name = (
                "image_pull_timeout" if trouble.reason == "ImagePull" else "the limit for a container's start"
            )
            trouble.message += f" It did not go away within {name} ({limit:.0f} s)."
            self._lose(trouble)

    def _limit_of(self, trouble: Failure) -> float | None:
        """Seconds after which a trouble is final; None where only the limit of the whole start counts."""
        if trouble.reason == "ImagePull":
            return self._limits.image_pull
        of_pod_spec = trouble.reason in ("ContainerConfig", "ContainerStart", "VolumeMount")
        # Volumes that are there, and the node's network, may take their time.
        may_take_long = trouble.reason == "VolumeMount" and not any(
            word in trouble.message for word in MISSING_WORDS
        )
        if not of_pod_spec or may_take_long or trouble.details.get("event") == "FailedCreatePodSandBox":
            return None
        return START_TROUBLE_LIMIT

    async def _pending_too_long(self) -> Failure:
        await self._read_events()
        limit = f"pod_pending_timeout ({self._limits.pod_pending:.0f} s)"
        if self.state.container == "running":
            return self._silence(f"before {limit}")
        trouble = lasting_trouble(self.state, self._events)
        if trouble is not None:
            trouble.message += f" This lasted longer than {limit}."
            return trouble
        words = pending_words(self.pod, self._events).rstrip(".")
        message = f"The pod did not run within {limit}: {words}."
        return Failure("PodPendingTimeout", message, details=self.state.as_details())

    def _silence(self, how_long: str) -> Failure:
        """The failure of a worker container that runs, but not our supervisor, as far as anybody can tell."""
        tried = f" The last try to attach to it: {self._unheard}" if self._unheard else ""
        return Failure(
            "RunnerMissing",
            f"The worker container runs, but the job's supervisor in it did not answer {how_long}. The"
            " image's entrypoint, or the command that pod_spec_override has in its place, must run what it is"
            f" given in args, as those of execution environments do.{tried}",
            details=self.state.as_details(),
        )

    async def _read_events(self) -> None:
        try:
            self._events = await self._client.pod_events(self.pod["metadata"]["namespace"], self.state.uid)
        except (Failure, Unreachable) as exc:
            # AWX's documented role may not read events: the job works without, and says what is missing.
            self._events = [{"type": "Note", "reason": EVENTS_NOT_READABLE, "message": str(exc)}]

    def _tell_pulling(self) -> None:
        """Tells that the image is pulled, was pulled, or was there, as far as the pod's events say it."""
        for event in self._events:
            words = str(event.get("message") or "the image")
            if event.get("reason") == "Pulling":
                self._notebook.phase("pulling", words)
                self._tell("pulling", words.replace("Pulling", "pulling"))
            elif event.get("reason") == "Pulled":
                self._notebook.phase("pulling" if "pulling" in self._told else "starting", words)
                self._tell("pulled", words, verbosity=1)


def _phase_of(trouble: Failure, state: PodState) -> Phase:
    """The phase of the start that a trouble belongs to."""
    if not state.node:
        return "scheduling"
    return "pulling" if trouble.reason == "ImagePull" else "starting"
