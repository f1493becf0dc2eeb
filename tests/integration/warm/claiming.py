# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launchers that all want the same few warm pods: several in each of several processes, at one moment."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import multiprocessing
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import read_launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Marks, RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.job.warm_pool import WarmPool, pool_of
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated

KEY = b"of all launchers"


def _mark(text: str) -> str:
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


async def _has(_job_uuid: str, _pod_uid: str) -> bool:
    return True


class Heard:
    """A progress that keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, text: str, verbosity: int = 0) -> None:
        return

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def events(self, batch: Batch) -> None:
        return

    def forgotten(self) -> None:
        return


@dataclass(frozen=True)
class Claim:
    """What one launcher got.

    Attributes:
        pod: name of the pod; empty where it got none.
        uid: the pod's.
        job_uuid: the launcher's.
        warnings: what it was told.
    """

    pod: str
    uid: str
    job_uuid: str
    warnings: tuple[str, ...]


def no_payload(_unwanted: Any) -> Payload:
    raise AssertionError("nobody attaches")


def pool(client: ClusterClient, folder: Path, group: dict[str, Any], job_uuid: str, heard: Heard) -> WarmPool:
    """A launcher's way to the group's pool."""
    params = {"project": "project", "playbook": "site.yml", "inventory": "here,", "container_group": group}
    launch = read_launch(validated("container_group_job", params), folder, check=False, diff=False)
    identity = PodIdentity(1, job_uuid, 1, "here")
    request = RunRequest(launch, identity, 1, no_payload, marks=Marks("store", _mark, _has))
    found = pool_of(request, client, heard)
    assert found is not None
    return found


async def fill(kubeconfig: Path, folder: Path, group: dict[str, Any]) -> None:
    """Fills the group's pool."""
    connection = resolve_connection({"kubeconfig": str(kubeconfig)}, os.environ, folder)
    async with ClusterClient(connection) as client:
        heard = Heard()
        filling = pool(client, folder, group, uuid.uuid4().hex, heard)
        filling.due()
        await filling.close()
        assert not heard.warnings


async def _claim(client: ClusterClient, folder: Path, group: dict[str, Any]) -> Claim:
    heard, job_uuid = Heard(), uuid.uuid4().hex
    claiming = pool(client, folder, group, job_uuid, heard)
    pod = await claiming.claim(600, None)
    if pod is not None:
        claiming.due()
    await claiming.close()
    metadata = pod["metadata"] if pod is not None else {"name": "", "uid": ""}
    return Claim(metadata["name"], metadata["uid"], job_uuid, tuple(heard.warnings))


async def _launchers(kubeconfig: str, folder: Path, group: dict[str, Any], count: int) -> list[Claim]:
    connection = resolve_connection({"kubeconfig": kubeconfig}, os.environ, folder)
    async with ClusterClient(connection) as client:
        await client.check()
        while not (folder / "go").exists():
            await asyncio.sleep(0.005)
        return list(await asyncio.gather(*(_claim(client, folder, group) for _each in range(count))))


def _process(kubeconfig: str, folder: Path, group: dict[str, Any], count: int, ready: Any) -> list[Claim]:
    ready.release()
    return asyncio.run(_launchers(kubeconfig, folder, group, count))


def claim_at_once(
    kubeconfig: Path, folder: Path, group: dict[str, Any], *, processes: int, each: int
) -> list[Claim]:
    """What all launchers got."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(processes) as workers:
        ready = manager.Semaphore(0)
        arguments = (str(kubeconfig), folder, group, each, ready)
        running = [workers.apply_async(_process, arguments) for _each in range(processes)]
        for _each in range(processes):
            assert ready.acquire(timeout=120)
        time.sleep(0.5)  # they open their connections; one that is late only meets fewer others
        (folder / "go").touch()
        return [claim for result in running for claim in result.get(120)]
