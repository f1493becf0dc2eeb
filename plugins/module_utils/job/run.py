# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a job in a pod: attach, send, listen, and decide how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.own_pod import owner_reference
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.conversation import Conversation
from ansible_collections.jobpods.controller.plugins.module_utils.job.creation import (
    Creation,
    CreationLimits,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import (
    ALWAYS,
    NEVER,
    ON_FAILURE,
    KeptPod,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.parties import PayloadSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_watch import (
    LAST_WORDS,
    LAST_WORDS_DELETED,
    PodWatch,
    StartLimits,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.pull_secret import PullSecret
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import remove_pod
from ansible_collections.jobpods.controller.plugins.module_utils.job.resources import (
    PodResources,
    add_memory,
    pod_resources,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import (
    Outcome,
    RunRequest,
    SupervisedRun,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.warm_pool import WarmPool
from ansible_collections.jobpods.controller.plugins.module_utils.pod import spec
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended

REMOVAL_LIMIT = 24 * 3600.0
"""Seconds for which a pod that can't be deleted is tried again, long after the job's end."""
QUICK_REMOVAL = 5.0
"""Seconds of these for which the end of a job waits whose pod was refused, but not its secret."""
EARLY_ATTACHES = (0.25, 0.2, 0.25, 0.4)
"""Pauses before each attach after the scheduling: containers run 0.2 to 0.5 s after it, and the API says so
up to a second later. Where none of them meets the container, the watch says when it runs."""
WARM_TRIES = 3
"""Warm pods of which none has answered, after which a job gets a new one."""
WARM_ANSWER_LIMIT = 5.0
"""Seconds that each of them has for it: it runs already, so there is little to wait for."""


class Run(SupervisedRun):
    """Runs a job once, in one pod."""

    def __init__(
        self,
        request: RunRequest,
        client: ClusterClient,
        notebook: Notebook,
        progress: Progress,
        since: float = 0.0,
        pool: WarmPool | None = None,
    ) -> None:
        """Gets ready.

        Args:
            request: what to run.
            client: the cluster.
            notebook: told about the pod.
            progress: told each step.
            since: `time.monotonic()` of the first create for this start; 0 where that is still to come.
            pool: of warm pods, of which it may claim one; None for a new pod in any case.
        """
        super().__init__(request, notebook, progress)
        taken = request.taken
        known = taken.pod_name if taken is not None and taken.pod_uid else ""
        self.pod_name = known or request.identity.pod_name
        self.warm = False  # the pod was one
        self._pool = pool
        self._client = client
        self._secret = self._pull_secret()
        group = request.launch.group
        limits = CreationLimits(group.pod_pending_timeout, group.cluster_outage_timeout)
        self._creation = Creation(client, limits, notebook, progress, self._secret, since)
        self._watch: PodWatch | None = None
        self._looking: asyncio.Task[bool] | None = None
        self._worker = ""
        self._kept: KeptPod | None = None

    @property
    def pod_uid(self) -> str | None:
        """The pod's UID, once it is known."""
        return self._creation.uid

    @property
    def since(self) -> float:
        """`time.monotonic()` of the first create, from which on the pod may be pending."""
        return self._creation.since

    async def keep(self, outcome: Outcome) -> KeptPod | None:
        """Has the pod stay for people to look into it, where that is wanted and the run in it is over."""
        launch, failure, watch = self._launch, outcome.failure, self._watch
        failed = failure is not None and failure.status != "canceled"
        if not (launch.keep_pod == ALWAYS or (launch.keep_pod == ON_FAILURE and failed)) or watch is None:
            return None
        pod = KeptPod(launch.namespace, self.pod_name, self._worker, True, launch.keep_pod_ttl)
        state, why = watch.state, ""
        if state.deleting or (failure is not None and failure.reason == "PodDeleted"):
            why = "somebody has deleted it"
        elif state.disruption or state.container == "terminated":
            self._kept = replace(pod, runs=False)
        elif outcome.ended is None:
            why = "the run may go on in it" if state.container == "running" else "nothing has run in it"
        elif outcome.ended.left:
            why = "processes of the run could not be killed in it"
        elif self.conversation is not None and await self.conversation.keep(launch.keep_pod_ttl):
            self._kept = pod
        else:
            why = "it does not answer any more"
        if why:
            self._progress.warning(f"the pod is not kept, since {why}")
        return self._kept

    def removal(self, outcome: Outcome) -> Coroutine[Any, Any, bool] | None:
        """Deletes the pod and its secret, and says whether they are gone; None where there is neither.

        A pod that is kept has its image, and needs no secret any more.
        """
        if not self._removes_pod and not self._secret_may_exist:
            return None
        stopped = outcome.ended is not None and not outcome.ended.left
        return self._remove(0 if stopped or not outcome.worker_started else int(self._launch.cancel_grace))

    @property
    def _removes_pod(self) -> bool:
        return self._creation.may_exist and self._kept is None

    async def _remove(self, grace: int) -> bool:
        removing: list[Coroutine[Any, Any, bool]] = []
        if self._removes_pod:
            removing.append(
                remove_pod(
                    self._client,
                    self._launch.namespace,
                    self.pod_name,
                    self.pod_uid,
                    grace=grace,
                    limit=REMOVAL_LIMIT,
                    trouble=self._progress.warning,
                )
            )
        if self._secret is not None and self._secret.may_exist:
            removing.append(self._secret.remove(REMOVAL_LIMIT))
        # That one is refused is raised when the other is over, too.
        results = await asyncio.gather(*removing, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return all(results)

    @property
    def _secret_may_exist(self) -> bool:
        return self._secret is not None and self._secret.may_exist

    async def _perform(self, payload: asyncio.Future[PayloadSource]) -> Outcome:
        owner = await self._owner() if self._taken is None else None
        manifest = self._manifest(owner)
        self._worker = spec.worker_name(manifest)
        try:
            pod = await self._warm_pod(payload, owner) or await self._pod(manifest)
        except (Failure, Unreachable):
            await self._remove_lonely_secret()
            raise
        if self._pool is not None and self._taken is None and not self._creation.met_quota:
            self._pool.due()
        watch = self._watch = self._new_watch(pod)
        watching = asyncio.create_task(watch.run())
        if self.conversation is None:
            self.conversation = self._conversation(pod, payload)
            talk = asyncio.create_task(self._talk(self.conversation, watch))
        else:
            watch.supervisor_answered()
            talk = asyncio.create_task(self.conversation.run())
        self._tasks += (watching, talk)
        return await self._await_end(talk, watch, watching)

    # -- the pod --

    async def _pod(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The job's pod: a new one, or that of the job's earlier owner."""
        host, reached = self._client.connection.host, self._request.reached
        if self._taken is None or not self._taken.pod_uid:
            pod = await self._creation.create(
                manifest, self._cancel, again=self._taken is not None, reached=host in reached
            )
        else:
            patience = self._launch.group.cluster_outage_timeout
            named = {**manifest, "metadata": {**manifest["metadata"], "name": self.pod_name}}
            pod = await self._creation.find(named, self._taken.pod_uid, patience, self._cancel)
        reached.add(host)
        return pod

    async def _warm_pod(
        self, payload: asyncio.Future[PayloadSource], owner: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """A warm pod whose supervisor has answered; None where the job gets a new pod."""
        pool, taken = self._pool, self._taken
        if pool is None or (taken is not None and taken.pod_uid):
            return None
        if taken is not None:
            found = await self._claimed_before(pool)
            return found if found is not None and await self._is_usable(pool, found, payload) else None
        for _try in range(WARM_TRIES):
            if self._cancel.done():
                raise self._cancel.result()
            pod = await self._creation.answer(pool.claim(self._deadline(), owner), self._cancel)
            if pool.answered:
                self._request.reached.add(self._client.connection.host)
            if pod is None or await self._is_usable(pool, pod, payload):
                return pod
        return None

    async def _claimed_before(self, pool: WarmPool) -> dict[str, Any] | None:
        """The warm pod that an earlier owner has claimed and not noted, so that it has not attached to it."""
        patience = self._launch.group.cluster_outage_timeout
        try:
            return await self._creation.patiently(
                lambda: self._creation.answer(pool.find(), self._cancel), patience, self._cancel
            )
        except Failure as failure:
            if self._cancel.done() or failure.reason != "Forbidden":
                raise
            return None  # who may not list pods has claimed none

    async def _is_usable(
        self, pool: WarmPool, pod: dict[str, Any], payload: asyncio.Future[PayloadSource]
    ) -> bool:
        """Takes a claimed pod, if its supervisor answers; else it is deleted, and forgotten."""
        await self._take(pod)
        self.conversation = conversation = self._conversation(pod, payload, unused=True)
        if await self._is_heard(conversation):
            return True
        self.conversation = None
        if self._cancel.done():
            raise self._cancel.result()
        self._progress.step(f"warm pod {self.pod_name} does not answer, and is not used")
        self.warm, self.pod_name = False, self._request.identity.pod_name
        await self._creation.drop()  # first: who takes the job over must not find it in the row
        pool.discard(pod["metadata"])
        return False

    async def _is_heard(self, conversation: Conversation) -> bool:
        trying = asyncio.create_task(conversation.try_once())
        try:
            await asyncio.wait(
                (trying, self._cancel), timeout=WARM_ANSWER_LIMIT, return_when=asyncio.FIRST_COMPLETED
            )
            return trying.done() and trying.result()
        finally:
            if not trying.done():
                trying.cancel()
                await asyncio.gather(trying, return_exceptions=True)
                await conversation.close()

    async def _take(self, pod: dict[str, Any]) -> None:
        self.warm, self.pod_name = True, pod["metadata"]["name"]
        self._notebook.phase("creating", f"warm pod {self.pod_name} claimed")
        self._progress.step(f"warm pod {self.pod_name} claimed in namespace {self._launch.namespace}")
        self._request.reached.add(self._client.connection.host)
        await self._creation.take(pod)

    def _pull_secret(self) -> PullSecret | None:
        """The image pull secret, where the execution environment has a login."""
        group = self._launch.group
        environment = group.execution_environment
        if environment is None or environment.registry is None:
            return None
        if not environment.registry.serves(environment.image):
            self._progress.warning(
                f"the execution environment's credential is for {environment.registry.host}, so that nodes"
                f" pull {environment.image} without it"
            )
        identity, namespace = self._request.identity, self._launch.namespace
        return PullSecret(self._client, identity, namespace, environment.registry, self._progress)

    async def _remove_lonely_secret(self) -> None:
        """Removes the secret of a pod that was refused; what takes too long goes on behind the result."""
        if self._secret is not None and self._secret.may_exist and not self._creation.may_exist:
            with suppress(asyncio.TimeoutError):
                await within(QUICK_REMOVAL, self._secret.remove(REMOVAL_LIMIT))

    async def _owner(self) -> dict[str, Any] | None:
        """This controller's own pod, where the job may go with it: somebody waits for it there."""
        if not self._launch.wait:
            return None
        try:
            host_name = self._request.identity.controller
            return await owner_reference(self._client, self._launch.namespace, host_name)
        except (Failure, Unreachable) as exc:
            self._progress.step(
                f"this controller's own pod can't be made the owner of the job's: {exc}", verbosity=1
            )
            return None

    def _manifest(self, owner: dict[str, Any] | None) -> dict[str, Any]:
        launch = self._launch
        deadline = self._deadline()
        if deadline is not None:
            deadline += launch.group.pod_pending_timeout
        return spec.pod_manifest(
            self._request.identity,
            namespace=launch.namespace,
            override=launch.group.pod_spec_override,
            execution_environment=launch.group.execution_environment,
            supervisor_config={"controller_lost_timeout": launch.controller_lost_timeout},
            active_deadline=deadline,
            owner=owner,
        )

    def _deadline(self) -> int | None:
        """Seconds from the pod's start on after which the cluster ends it, as a last net."""
        launch = self._launch
        if not launch.timeout:
            return None
        kept = launch.keep_pod_ttl if launch.keep_pod != NEVER else 0
        return launch.timeout + spec.DEADLINE_MARGIN + kept

    def _new_watch(self, pod: dict[str, Any]) -> PodWatch:
        group = self._launch.group
        limits = StartLimits(group.pod_pending_timeout, group.image_pull_timeout)
        return PodWatch(
            self._client,
            pod,
            self._worker,
            limits,
            self._creation.since,
            self._notebook,
            self._progress,
            begun=self._taken is not None and self._taken.started,
        )

    def _conversation(
        self, pod: dict[str, Any], payload: asyncio.Future[PayloadSource], *, unused: bool = False
    ) -> Conversation:
        """The talk with a pod's supervisor."""
        metadata, worker = pod["metadata"], self._worker
        resume = self._stream.offset if self._taken is not None else None
        return Conversation(
            lambda: self._client.attach(metadata["namespace"], metadata["name"], worker),
            payload,
            self,
            self._terms(),
            resume,
            unused=unused,
            pod=metadata["uid"],
            begun=self._started,
        )

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
            return await self._talked(talk, watch)
        if self._cancel.done():
            return await self._canceled(talk, self._cancel.result())
        if not watch.lost.done():
            watching.result()  # it met an error of its own; whoever waits for its news would wait for ever
        return await self._lost(talk, watch)

    async def _talked(self, talk: asyncio.Task[Ended], watch: PodWatch) -> Outcome:
        try:
            ended = talk.result()
        except Failure as failure:
            if failure.reason == "ClusterUnreachable" and await watch.look():
                failure.message += (
                    f" The API server answers, and shows the pod as {watch.state.phase} on node"
                    f" {watch.state.node}: that node, or the API server's way to it, is what to look at."
                )
            if failure.phase == "running":
                await self._add_words(failure, watch)
            raise
        return await self._ended(ended, None)

    async def _lost(self, talk: asyncio.Task[Ended], watch: PodWatch) -> Outcome:
        """The pod says that it is over; the stream may know better, and gets a moment to say so."""
        failure = watch.lost.result()
        if self.conversation is not None and self.conversation.heard:
            deleted = watch.state.deleting and watch.state.container == "running"
            wait = LAST_WORDS_DELETED if deleted else LAST_WORDS
            await asyncio.wait((talk, self._cancel), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        if talk.done() and talk.exception() is None:
            return await self._ended(talk.result(), failure)
        if failure.reason == "OOMKilled":
            add_memory(failure, self._asked.memory_limit, self._used(None).memory_peak)
        await self._add_words(failure, watch)
        return self._outcome(failure)

    async def _add_words(self, failure: Failure, watch: PodWatch) -> None:
        """Adds the cluster's own words about the pod to a failure, and the last ones of its playbook."""
        said = "\n".join(self.summary.last_lines)
        parts = [failure.traceback, await watch.words()]
        if said and said not in failure.traceback:
            parts.append(f"last output of the playbook:\n{said}")
        failure.traceback = "\n".join(filter(None, parts))

    async def _ended(self, ended: Ended, lost: Failure | None) -> Outcome:
        if ended.cause == "cancel" and lost is None and self._watch is not None:
            # Not our cancel: the pod was told to stop. The watch knows by whom, or will in a moment.
            await asyncio.wait((self._watch.lost,), timeout=LAST_WORDS)
            lost = self._watch.lost.result() if self._watch.lost.done() else None
        failure = self._verdict(ended)
        if failure is not None and lost is not None and ended.cause == "cancel":
            failure = lost
        if failure is not None and failure.phase == "running" and self._watch is not None:
            await self._add_words(failure, self._watch)
        return self._outcome(failure, ended)

    # -- what the conversation tells (Listener) --

    def connected(self) -> None:
        """Notes that the supervisor answers, and says so where the connection was gone."""
        if self._watch is not None:
            self._watch.supervisor_answered()
        super().connected()

    def started(self) -> None:
        """Tells that the playbook was started; what comes now leaves time to fill the pool again."""
        super().started()
        if self._pool is not None:
            self._pool.refill()

    def disconnected(self, trouble: Unreachable) -> None:
        """Has the pod looked at, too: its watch may hang on the same dead connection, and say nothing."""
        if self._watch is not None and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._watch.look())
            self._tasks.append(self._looking)
        if self._watch is not None:
            self._watch.unheard(trouble.failure.message)
        super().disconnected(trouble)

    def _away(self, trouble: Unreachable) -> str:
        run = "the run goes on in it, and " if self._started else ""
        return (
            f"the connection to the pod is gone; {run}connecting is tried for"
            f" {self._launch.group.cluster_outage_timeout} s: {trouble.failure.message}"
        )

    @property
    def _asked(self) -> PodResources:
        """What the pod's worker container asks for."""
        return pod_resources(self._watch.pod, self._worker) if self._watch is not None else PodResources()

    @property
    def execution_node(self) -> str:
        """The node that the pod is on; empty while that is not known."""
        return self._watch.state.node if self._watch is not None else ""
