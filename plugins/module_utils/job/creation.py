# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a job's pod, and never two, or finds it: again where a quota or the API server is in the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    AlreadyExists,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import REFUSAL_GRACE
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.pull_secret import PullSecret
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import after
from ansible_collections.jobpods.controller.plugins.module_utils.job.warm_pool import make_room

BACKOFF = (1.0, 2.0, 5.0, 10.0)
"""Seconds between two tries while there is no room, or no good answer; the last repeats."""
ANSWER_LIMIT = 30.0
"""Seconds for which the answer to a create is waited for that nobody wants any more."""

Document = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class CreationLimits:
    """Seconds for which a create is tried again.

    Attributes:
        pod_pending: from the first create on, where a quota refuses it.
        outage: from the last good answer on, where the API server is in trouble.
    """

    pod_pending: float
    outage: float


class Creation:
    """Makes one pod.

    Attributes:
        since: `time.monotonic()` of the first create.
        uid: the pod's, once it is known.
        may_exist: a create was sent and not refused, so that there may be a pod.
        met_quota: a quota has left no room.
    """

    def __init__(
        self,
        client: ClusterClient,
        limits: CreationLimits,
        notebook: Notebook,
        progress: Progress,
        secret: PullSecret | None = None,
        since: float = 0.0,
    ) -> None:
        """Gets ready.

        Args:
            client: the cluster.
            limits: how long to try.
            notebook: told about the pod.
            progress: told each step.
            secret: the pod's image pull secret, which is made before it.
            since: `time.monotonic()` of the first create for an earlier pod of the same start; 0 for none.
        """
        self.since = since
        self.uid: str | None = None
        self.may_exist = False
        self.met_quota = False
        self._client = client
        self._limits = limits
        self._notebook = notebook
        self._progress = progress
        self._secret = secret
        self._tries = 0
        self._answered = False
        self._looks = False  # whether there is a pod already
        self._trouble_since: float | None = None
        self._told: set[str] = set()

    async def create(
        self,
        manifest: Document,
        stop: asyncio.Future[Failure],
        *,
        again: bool = False,
        reached: bool = False,
    ) -> Document:
        """Makes the pod of the manifest.

        Args:
            manifest: the pod's; its name is this job's own, so that a pod of this name is the one.
            stop: whose failure ends it. A create that is under way by then is not given up, since the API
                server makes its pod all the same: its answer says which pod to delete.
            again: an earlier owner of the job may have made it, and was gone before it could say so. Then it
                is looked for first, also where nobody wants it any more.
            reached: this cluster has answered before, so that silence is an outage, and no wrong connection.

        Returns:
            The pod.

        Raises:
            Failure: the cluster's refusal, or that of `stop`.
            Unreachable: the API server gave no answer.
        """
        self._notebook.phase("creating")
        self._answered = again or reached or bool(self.since)
        self.since = self.since or time.monotonic()
        if again:
            self._looks = self.may_exist = True
            await self._find_secret()
        while self._looks or not stop.done():
            try:
                pod = await self._try(manifest, stop)
            except Failure:
                if stop.done():
                    break
                raise
            except Unreachable as trouble:
                if stop.done():
                    break
                await self._wait_for_answer(trouble)
                pod = None
            if pod is not None:
                await self._made(pod)
                if not stop.done():
                    return pod
                break
            pause = BACKOFF[min(self._tries, len(BACKOFF) - 1)]
            self._tries += 1
            await asyncio.wait((stop,), timeout=pause)
        raise stop.result()

    async def take(self, pod: Document) -> None:
        """Notes a pod that was made before, and is the job's now."""
        self.since = self.since or time.monotonic()
        self.may_exist = True
        await self._note(pod)

    async def drop(self) -> None:
        """Forgets a pod that was taken: somebody else sees to its end."""
        self.uid, self.may_exist = None, False
        await self._notebook.note(pod_name="", pod_uid="", pod_deleted=True)

    async def find(
        self, manifest: Document, uid: str, patience: float, stop: asyncio.Future[Failure]
    ) -> Document:
        """Finds the pod that an earlier owner of the job has made.

        Args:
            manifest: the pod's.
            uid: the pod's.
            patience: seconds for which the API server is asked again where it does not answer.
            stop: whose failure ends this; but where the API server answers at once, the pod is found all the
                same, so that its run can be stopped gently.

        Returns:
            The pod.

        Raises:
            Failure: `ControllerLost` where the pod is gone; the cluster's refusal, or that of `stop`.
        """
        self.uid, self.may_exist, self.since = uid, True, time.monotonic()
        pod = await self.patiently(lambda: self._existing(manifest), patience, stop)
        await self._find_secret()
        if pod is None or pod["metadata"]["uid"] != uid:
            self.may_exist = False
            raise Failure(
                "ControllerLost",
                f"The controller that ran the job was gone, and now its pod {manifest['metadata']['name']} is"
                " gone, too.",
            )
        return pod

    async def patiently(
        self, look: Callable[[], Awaitable[T]], patience: float, stop: asyncio.Future[Failure]
    ) -> T:
        """What is seen when the pod is looked for, again where the API server does not say.

        Args:
            look: asks for it.
            patience: seconds for which it is asked again where it does not answer.
            stop: whose failure ends this, after one try.

        Raises:
            Failure: the API server's trouble, which has lasted too long; or that of `stop`.
        """
        since, tries = time.monotonic(), 0
        while True:
            try:
                return await look()
            except (Failure, Unreachable) as exc:
                if stop.done():
                    raise stop.result() from exc
                trouble = exc if isinstance(exc, Failure) else exc.failure
                waited = time.monotonic() - since
                if waited >= (REFUSAL_GRACE if isinstance(exc, Failure) else patience):
                    trouble.message += f" This lasted {waited:.0f} s."
                    raise trouble from exc
            if not tries:
                self._progress.warning(
                    f"the pod can't be looked for, which is tried again: {trouble.message}"
                )
            pause = BACKOFF[min(tries, len(BACKOFF) - 1)]
            tries += 1
            await asyncio.wait((stop,), timeout=pause)
            if stop.done():
                raise stop.result()

    async def _try(self, manifest: Document, stop: asyncio.Future[Failure]) -> Document | None:
        """The pod; None where another try may make it."""
        if self._looks:
            pod = await self._existing(manifest)
            self._looks = False
            if pod is not None or stop.done():
                return pod
        if self._secret is not None and not await self._has_secret(self._secret, stop):
            return None
        doubtful = self.may_exist  # an earlier create got no answer, and may have made it
        self.may_exist = True
        try:
            return await self.answer(self._client.create_pod(manifest, warn=self._odd), stop)
        except AlreadyExists as exc:
            trouble = Failure("APIServerError", f"The API server has the pod, but does not show it: {exc}.")
            pod = await self._existing(manifest)
        except Unreachable as exc:
            if exc.failure.reason != "QuotaExceeded":
                self.may_exist = doubtful or not exc.unsent
                raise
            # The connection broke in an earlier try, whose pod may be what fills the quota.
            trouble = exc.failure
            pod = await self._existing(manifest)
        except Failure as exc:
            self.may_exist = doubtful
            if exc.reason != "QuotaExceeded":
                raise
            trouble = exc
            pod = await self._existing(manifest) if doubtful else None
        if pod is None and not await self._makes_room(manifest, trouble):
            await self._wait_for_room(trouble)
        return pod

    async def _has_secret(self, secret: PullSecret, stop: asyncio.Future[Failure]) -> bool:
        """Whether the pod's secret is there, and the pod is still wanted."""
        try:
            await self.answer(secret.create(), stop)
        except (Failure, Unreachable) as exc:
            trouble = exc if isinstance(exc, Failure) else exc.failure
            if trouble.reason != "QuotaExceeded":
                raise
            await self._wait_for_room(trouble)
            return False
        return not stop.done()

    async def answer(self, asked: Coroutine[Any, Any, T], stop: asyncio.Future[Failure]) -> T:
        """The answer to one create, or another change, also where `stop` comes before it.

        Raises:
            Unreachable: it did not come within `ANSWER_LIMIT` of `stop`; or as the client says.
        """
        asking = asyncio.create_task(asked)
        try:
            await asyncio.wait((asking, stop), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await asyncio.wait((asking,), timeout=ANSWER_LIMIT)
            if not asking.done():
                raise Unreachable(stop.result())
            return asking.result()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _find_secret(self) -> None:
        """Looks for the secret of an earlier owner, so that it is removed in the end."""
        if self._secret is not None:
            with suppress(Failure, Unreachable):  # it is for nothing any more, where it is there at all
                await self._secret.find()

    async def _existing(self, manifest: Document) -> Document | None:
        pod = await self._client.get_pod(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        self.may_exist = pod is not None
        return pod

    async def _makes_room(self, manifest: Document, trouble: Failure) -> bool:
        """Deletes warm pods that wait for jobs, where a quota is in the way of one that is here."""
        if trouble.reason != "QuotaExceeded":
            return False
        self.met_quota = True
        removed = await make_room(self._client, manifest["metadata"]["namespace"])
        if removed:
            self._tries = 0  # what has become free should be the job's before somebody else takes it
            self._progress.step(f"idle warm pods deleted, since the quota left no room: {removed}")
        return bool(removed)

    async def _wait_for_room(self, trouble: Failure) -> None:
        """Tells why there is no pod yet.

        Raises:
            Failure: it has lasted too long.
        """
        self._answered, self._trouble_since = True, None
        limit = self._limits.pod_pending
        if time.monotonic() - self.since >= limit:
            trouble.message += f" It lasted longer than pod_pending_timeout ({limit:.0f} s)."
            raise trouble
        if trouble.reason == "QuotaExceeded":
            self._notebook.phase("quota", trouble.message)
            self._warn("quota", f"waiting for quota: {trouble.message}")
        await self._notebook.note(status="pending", job_explanation=trouble.message)

    async def _wait_for_answer(self, trouble: Unreachable) -> None:
        """Tells that the API server is in trouble, where that may go away.

        Raises:
            Unreachable: it has lasted too long; or no API server was ever there, so that the connection is
                more likely wrong.
        """
        failure, limit, now = trouble.failure, self._limits.outage, time.monotonic()
        if not self._answered and failure.reason != "APIServerError":
            raise trouble
        self._trouble_since = self._trouble_since or now
        self._notebook.phase("creating", failure.message)
        if now - self._trouble_since >= limit:
            failure.message += f" It lasted longer than cluster_outage_timeout ({limit:.0f} s)."
            raise trouble
        self._warn(
            "outage", f"the pod can't be made now, which is tried for {limit:.0f} s: {failure.message}"
        )
        await self._notebook.note(status="pending", job_explanation=failure.message)

    def _odd(self, text: str) -> None:
        self._progress.warning(f"the API server says of the pod: {text}")

    def _warn(self, about: str, text: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self._progress.warning(text)

    async def _made(self, pod: Document) -> None:
        metadata = pod["metadata"]
        lasted = self._notebook.phase("scheduling")
        namespace = metadata["namespace"]
        self._progress.step(f"pod {metadata['name']} created in namespace {namespace}{after(lasted)}")
        await self._note(pod)

    async def _note(self, pod: Document) -> None:
        metadata = pod["metadata"]
        self.uid = str(metadata["uid"])
        await self._notebook.note(
            status="waiting",
            job_explanation="",
            pod_name=metadata["name"],
            pod_uid=self.uid,
            pod_deleted=False,
        )
