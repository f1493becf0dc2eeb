# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates are jobs of their own, also where another job needs what they bring."""

from __future__ import annotations

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    from_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobRecord, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.updates import Updates, wait_for_place
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    PLAYBOOK,
    Repository,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import DEADLINE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    Stock,
    ended,
    no_waits,
    until,
)

ORDER = Order("job", "site.yml", {})


async def never(job: OwnedJob) -> Start:
    """Nothing to do yet."""
    await asyncio.Event().wait()
    raise AssertionError


class Scene(Stock):
    """A stock with a repository, and a job that needs what updates bring."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.repository = Repository(folder / "repository")
        self.jobs_here: OwnedJobs
        self.updates: Updates
        self.job: OwnedJob

    def project(self, name: str = "code", **options: Any) -> int:
        given = {"scm_type": "git", "scm_url": str(self.repository.folder), **options}
        return self.add("project", name, **given)

    async def revision(self, project: int, branch: str = "") -> ProjectRevision:
        """What the job gets of a project."""
        async with deadline(DEADLINE):
            return await self.updates.project(project, branch, self.job)

    def of_type(self, kind: str) -> list[JobRecord]:
        return [job for job in self.all_jobs() if job.type == kind]

    async def update(self, project: int, **how: Any) -> JobRecord:
        """The row of an update of a project."""
        stored = self.objects.by_id("project", project)
        job = await self.updates.update_project(stored, str(stored.values["scm_branch"]), **how)
        return self.store.get((await ended(job)).id)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    no_waits(monkeypatch)
    made = Scene(tmp_path)
    async with made.jobs() as jobs:
        made.jobs_here, made.updates = jobs, Updates(jobs)
        made.job = await jobs.start(ORDER, never)
        yield made
    made.store.close()


# --- projects -----


async def test_manual_project_needs_no_update(scene: Scene) -> None:
    number = scene.add("project", "code", scm_type="manual", local_path="project")
    assert await scene.revision(number) == ProjectRevision(scene.folder / "project", "")
    assert scene.of_type("project_update") == []
    assert await scene.updates.manual_folder(number) == str(scene.folder / "project")


async def test_first_use_of_a_project_updates_it_by_a_job_of_its_own(scene: Scene) -> None:
    organization = scene.add("organization", "first")
    number = scene.project(organization="first")
    found = await scene.revision(number)
    assert (found.revision, (found.folder / "site.yml").read_text()) == (scene.repository.first, PLAYBOOK)
    (update,) = scene.of_type("project_update")
    assert (update.name, update.status, update.changed) == ("code", "successful", True)
    assert (update.launch_type, update.project_id, update.organization_id) == ("sync", number, organization)
    assert update.execution_node == update.controller_node
    assert update.container_group is None
    assert "site.yml" in scene.store.stdout(update.id)[0]
    assert await scene.updates.manual_folder(number) is None


async def test_what_an_update_has_brought_is_used_again(scene: Scene) -> None:
    number = scene.project()
    first = await scene.revision(number)
    scene.repository.commit({"more.yml": PLAYBOOK})
    assert await scene.revision(number) == first
    assert len(scene.of_type("project_update")) == 1


async def test_update_on_launch_is_done_at_every_launch(scene: Scene) -> None:
    number = scene.project(scm_update_on_launch=True)
    await scene.revision(number)
    newer = scene.repository.commit({"more.yml": PLAYBOOK})
    assert (await scene.revision(number)).revision == newer
    assert (await scene.revision(number)).revision == newer
    assert [update.changed for update in scene.of_type("project_update")] == [True, True, False]


async def test_removed_revision_is_got_again_without_an_update(scene: Scene) -> None:
    number = scene.project()
    found = await scene.revision(number)
    found.folder.rename(scene.folder / "elsewhere")
    again = await scene.updates.revision(number, "", found.revision, scene.job)
    assert again == found
    assert (again.folder / "site.yml").is_file()
    assert len(scene.of_type("project_update")) == 1


async def test_another_branch_is_updated_to_and_kept_for_nobody(scene: Scene) -> None:
    scene.repository.git("checkout", "--quiet", "-b", "other")
    other = scene.repository.commit({"other.yml": PLAYBOOK})
    scene.repository.git("checkout", "--quiet", "main")
    number = scene.project(allow_override=True)
    assert (await scene.revision(number, "other")).revision == other
    assert scene.store.projects.state(number).revision == ""
    assert (await scene.revision(number)).revision == scene.repository.first


async def test_branch_that_may_not_be_is_refused(scene: Scene) -> None:
    number = scene.project()
    with pytest.raises(Failure, match="the project does not allow it: set its allow_override"):
        await scene.revision(number, "other")
    assert scene.of_type("project_update") == []


async def test_failed_update_is_the_job_s_failure_with_its_words(scene: Scene) -> None:
    number = scene.project(scm_branch="gone")
    with pytest.raises(Failure) as caught:
        await scene.revision(number)
    (update,) = scene.of_type("project_update")
    failure = caught.value
    assert update.status == "error"
    assert failure.reason == "ProjectUpdateFailed"
    assert failure.message.startswith(f"The update of project 'code' (job {update.id}) ended error: ")
    assert "gone" in failure.message and update.job_explanation in failure.message
    assert failure.details == {"job_id": update.id, "job_name": "code", "job_type": "project_update"}
    assert update.failure is not None and failure.hint == update.failure["hint"]


async def test_job_that_waits_for_an_update_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    number = scene.project()
    explained: list[str] = []
    wait = OwnedJob.ended

    async def looked(job: OwnedJob) -> None:
        explained.append(scene.store.get(scene.job.id).job_explanation)
        await wait(job)

    monkeypatch.setattr(OwnedJob, "ended", looked)
    await scene.revision(number)
    (update,) = scene.of_type("project_update")
    assert explained == [f"waiting for job {update.id} to finish: the update of project 'code'"]


async def test_cancelled_job_cancels_the_update_that_it_waits_for(scene: Scene) -> None:
    number = scene.project()
    folder = scene.folder / "store" / "projects" / str(number)
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as another update of the project, which takes long
        waiting = asyncio.create_task(scene.revision(number))
        await until(lambda: [job.status for job in scene.of_type("project_update")] == ["running"])
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()
        await until(lambda: scene.of_type("project_update")[0].status == "canceled")
    (update,) = scene.of_type("project_update")
    assert update.job_explanation == f"Canceled because job {scene.job.id} is."


async def test_update_that_nobody_needs_is_for_its_own_launcher(scene: Scene) -> None:
    number = scene.project()
    first = await scene.update(number, wait=False)
    assert (first.launch_type, first.wait, first.changed) == ("manual", False, True)
    assert scene.store.request(first.id) == {"project": number, "scm_branch": ""}
    again = await scene.update(number, launch_type="workflow", columns={"workflow_node": "sync"})
    assert (again.launch_type, again.workflow_node, again.changed) == ("workflow", "sync", False)


async def test_update_of_a_manual_project_looks_at_its_folder_and_changes_nothing(scene: Scene) -> None:
    number = scene.add("project", "code", scm_type="manual", local_path="project")
    update = await scene.update(number)
    assert (update.status, update.changed) == ("successful", False)
    assert scene.store.stdout(update.id)[0] == "playbooks: site.yml\n"
    (scene.folder / "project").rename(scene.folder / "elsewhere")
    gone = await scene.update(number)
    assert gone.status == "error"
    assert gone.failure is not None and gone.failure["reason"] == "ProjectNotFound"


async def test_credential_of_a_project_is_its_login(scene: Scene) -> None:
    inputs = {"username": "ann", "password": "s3cret-value"}
    scene.add("credential", "git", credential_type="source_control", inputs=inputs)
    number = scene.project(scm_url="http://127.0.0.1:1/code.git", credential="git")
    update = await scene.update(number)
    assert update.status == "error"
    assert "s3cret-value" not in json.dumps(update.failure) + scene.store.stdout(update.id)[0]


# --- inventory sources -----


def source(scene: Scene, name: str = "cloud", **options: Any) -> int:
    (scene.folder / f"{name}.yml").write_text(json.dumps({"all": {"hosts": {f"of-{name}": None}}}))
    given = {
        "inventory": "hosts",
        "source": "file",
        "source_path": str(scene.folder / f"{name}.yml"),
        "update_on_launch": True,
        **options,
    }
    return scene.add("inventory_source", name, **given)


def hosts(scene: Scene, inventory: int) -> list[str]:
    """What the sources of an inventory have brought."""
    contents = scene.store.inventories.contents(inventory)
    return sorted(host for content in contents for host in from_listing(content.listing).hosts)


async def bring(scene: Scene, inventory: int) -> None:
    async with deadline(DEADLINE):
        await scene.updates.inventory(inventory, scene.job)


async def test_sources_that_are_due_are_updated_by_jobs_of_their_own(scene: Scene) -> None:
    inventory = scene.add("inventory", "hosts")
    numbers = [source(scene, "cloud"), source(scene, "late", update_on_launch=False), source(scene, "farm")]
    await bring(scene, inventory)
    updates = scene.of_type("inventory_update")
    assert [update.inventory_source_id for update in updates] == [numbers[0], numbers[2]]
    assert {(update.status, update.launch_type, update.inventory_id) for update in updates} == {
        ("successful", "sync", inventory)
    }
    assert hosts(scene, inventory) == ["of-cloud", "of-farm"]


async def test_source_is_not_due_within_its_cache_timeout(scene: Scene) -> None:
    inventory = scene.add("inventory", "hosts")
    source(scene, update_cache_timeout=3600)
    await bring(scene, inventory)
    await bring(scene, inventory)
    assert len(scene.of_type("inventory_update")) == 1


async def test_update_of_a_source_tells_whether_it_brought_anything_new(scene: Scene) -> None:
    inventory = scene.add("inventory", "hosts")
    source(scene)
    await bring(scene, inventory)
    await bring(scene, inventory)
    assert [update.changed for update in scene.of_type("inventory_update")] == [True, False]


async def test_failed_update_of_a_source_is_the_job_s_failure(scene: Scene) -> None:
    inventory = scene.add("inventory", "hosts")
    source(scene, source_path=str(scene.folder / "gone.yml"))
    with pytest.raises(Failure) as caught:
        await bring(scene, inventory)
    (update,) = scene.of_type("inventory_update")
    assert caught.value.reason == "InventoryInvalid"
    assert caught.value.message.startswith(
        f"The update of inventory source 'cloud' (job {update.id}) ended error: "
    )
    assert "gone.yml" in caught.value.message


async def test_source_in_a_project_has_that_updated_first(scene: Scene) -> None:
    scene.repository.commit({"inventory.yml": json.dumps({"all": {"hosts": {"of-project": None}}})})
    project = scene.project()
    inventory = scene.add("inventory", "hosts")
    source(scene, source="scm", source_project="code", source_path="inventory.yml")
    await bring(scene, inventory)
    assert hosts(scene, inventory) == ["of-project"]
    (update,) = scene.of_type("project_update")
    assert (update.project_id, update.launch_type, update.status) == (project, "sync", "successful")


async def test_credential_of_a_source_is_given_to_its_plugin(scene: Scene) -> None:
    inventory = scene.add("inventory", "hosts")
    scene.add("credential", "vault", credential_type="vault", inputs={"vault_password": "sesame"})
    number = source(scene, credential="vault")
    request = scene.updates._source_request(scene.objects.by_id("inventory_source", number), "/project")
    assert (request.credential_type, request.inputs) == ("vault", {"vault_password": "sesame"})
    assert (request.name, request.project) == ("cloud", "/project")
    await bring(scene, inventory)
    assert hosts(scene, inventory) == ["of-cloud"]


# --- room -----


async def test_job_waits_for_room_and_tells_for_what_once(scene: Scene) -> None:
    group = scene.add("container_group", "prod", max_concurrent_jobs=1)
    other = scene.store.create(
        NewJob("u" * 32, "job", "other", True, "here", columns={"candidates": [group]})
    )
    lease = scene.store.claim(other, "here")
    scene.store.place(other, lease, 60)
    order = Order("job", "site.yml", {}, {"candidates": [group]})
    job = await scene.jobs_here.start(order, never)
    steps: list[str] = []
    job.feed.step = lambda text, verbosity=0: steps.append(text)  # type: ignore[method-assign]
    waiting = asyncio.create_task(wait_for_place(scene.jobs_here, job))
    await until(lambda: bool(scene.store.get(job.id).job_explanation))
    explanation = scene.store.get(job.id).job_explanation
    assert "prod has 1 of 1 jobs (max_concurrent_jobs)" in explanation
    await asyncio.sleep(0.1)  # so that it looks a few times more
    assert not waiting.done()
    scene.store.finish(other, lease, status="successful")
    async with deadline(DEADLINE):
        placed = await waiting
    assert (placed.group_id, placed.container_group) == (group, "prod")
    assert steps == [f"pending: {explanation}", "it is this job's turn"]
    assert scene.store.get(job.id).status == "waiting"
    assert scene.store.get(job.id).job_explanation == ""


async def test_job_that_need_not_wait_tells_nothing(scene: Scene) -> None:
    job = await scene.jobs_here.start(ORDER, never)
    steps: list[str] = []
    job.feed.step = lambda text, verbosity=0: steps.append(text)  # type: ignore[method-assign]
    assert (await wait_for_place(scene.jobs_here, job)).group_id is None
    assert steps == []
