# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image pull secret of a job's pod: there before the pod, and gone with it.

It can't belong to the pod by an owner reference: the pod, which has to find it, would have to be there
first, and to add the reference later takes a right (patch) that AWX's documented role does not give. But its
name follows from the pod's, and it has the pod's labels, so that whoever removes the one finds the other.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    AlreadyExists,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import refused, remove_secret
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry, pull_secret
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import LABEL_PREFIX, PodIdentity

JOB_UUID = f"{LABEL_PREFIX}job-uuid"
RULE = '{apiGroups: [""], resources: [secrets], verbs: [get, create, delete]}'
BY_HAND = (
    "or make an image pull secret by hand, name it in imagePullSecrets of pod_spec_override, and take the"
    " credential out of the execution environment"
)

Document = dict[str, Any]


async def find_secret(client: ClusterClient, namespace: str, name: str, job_uuid: str) -> str | None:
    """The UID of a job's image pull secret; None where there is none of this name, or it is not the job's.

    Args:
        client: the cluster.
        namespace: the pod's.
        name: the secret's.
        job_uuid: the job's.

    Raises:
        Failure: the cluster's refusal.
        Unreachable: the API server gave no answer.
    """
    found = await client.get_secret(namespace, name)
    metadata = found["metadata"] if found is not None else {}
    owned = (metadata.get("labels") or {}).get(JOB_UUID) == job_uuid
    return str(metadata["uid"]) if owned else None


class PullSecret:
    """Makes and removes one image pull secret.

    Attributes:
        may_exist: a create was sent and not refused, so that there may be a secret.
    """

    def __init__(
        self,
        client: ClusterClient,
        identity: PodIdentity,
        namespace: str,
        registry: Registry,
        progress: Progress,
    ) -> None:
        """Gets ready.

        Args:
            client: the cluster.
            identity: of the pod.
            namespace: the pod's.
            registry: the login in it.
            progress: told what stands in the way of its removal.
        """
        self.may_exist = False
        self._client = client
        self._name = identity.pull_secret_name
        self._namespace = namespace
        self._registry = registry
        self._labels = identity.labels
        self._progress = progress
        self._uid: str | None = None

    async def create(self) -> None:
        """Makes the secret, unless that was done.

        Raises:
            Failure: the cluster's refusal.
            Unreachable: the API server gave no answer.
        """
        if self._uid is not None:
            return
        try:
            made = await self._made()
        except Unreachable as exc:
            self._explain(exc.failure)
            raise
        except Failure as failure:
            self._explain(failure)
            raise
        self._uid = str(made["metadata"]["uid"])
        self._progress.step(f"image pull secret {self._name} created", verbosity=1)

    async def find(self) -> None:
        """Finds the secret that an earlier owner of the job has made, to remove it in the end.

        Raises:
            Failure: the cluster's refusal.
            Unreachable: the API server gave no answer.
        """
        uid = await find_secret(self._client, self._namespace, self._name, self._labels[JOB_UUID])
        if uid is not None:
            self._uid, self.may_exist = uid, True

    async def _made(self) -> Document:
        earlier, self.may_exist = self.may_exist, True
        try:
            return await self._client.create_secret(self._manifest)
        except AlreadyExists:
            pass
        except Unreachable as exc:
            self.may_exist = earlier or not exc.unsent
            raise
        except Failure:
            self.may_exist = earlier
            raise
        return await self._made_again()

    async def _made_again(self) -> Document:
        """The secret, in the place of one that an earlier try has made."""
        found = await self._client.get_secret(self._namespace, self._name)
        if found is not None:
            metadata = found["metadata"]
            if (metadata.get("labels") or {}).get(JOB_UUID) != self._labels[JOB_UUID]:
                self.may_exist = False
                raise Failure(
                    "InvalidConfiguration",
                    f'There is a secret {self._name} in the namespace "{self._namespace}" already that is not'
                    " this job's; delete or rename it.",
                )
            await self._client.delete_secret(self._namespace, self._name, uid=str(metadata["uid"]))
        try:
            return await self._client.create_secret(self._manifest)
        except AlreadyExists as exc:
            words = f"The API server has the secret {self._name}, but does not show it: {exc}."
            raise Failure("APIServerError", words) from exc

    @property
    def _manifest(self) -> Document:
        return pull_secret(self._registry, name=self._name, namespace=self._namespace, labels=self._labels)

    def _explain(self, failure: Failure) -> None:
        """Adds what to do, and takes out what nobody may read: others repeat what they refuse."""
        failure.message = self._registry.redacted(failure.message)
        failure.traceback = self._registry.redacted(failure.traceback)
        if failure.reason == "Forbidden":
            failure.hint = (
                f'Add this rule to a Role in the namespace "{self._namespace}" that is bound to the user:'
                f" {RULE}; {BY_HAND}."
            )
        elif failure.reason == "AdmissionDenied":
            failure.hint = f"Have the cluster's policies accept image pull secrets, {BY_HAND}."

    async def remove(self, limit: float) -> bool:
        """Deletes the secret, and tells it where that is refused.

        Args:
            limit: seconds after which to give up.

        Returns:
            Whether there is nothing more to do; False where the limit was reached.
        """
        try:
            gone = await remove_secret(
                self._client,
                self._namespace,
                self._name,
                self._uid,
                limit=limit,
                trouble=self._progress.warning,
            )
        except Failure as failure:
            self._progress.warning(refused(failure, self._name, "secret"))
            gone = True
        self.may_exist = not gone
        return gone
