# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that ended long ago are deleted, with their events and their folders.

A job goes with all that belongs to it: the slices of a sliced job, the jobs of a workflow and of those in it.
None of them goes while one of them has not ended, or has a pod that is still to be deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database, clock
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import projects
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import events, jobs
from sqlalchemy import Connection, delete, select

DAY = 86400.0
LOOKED_AT = 100
"""Jobs, with all that belongs to them, that are looked at in one step."""
AT_ONCE = 50
"""Jobs that are deleted in one transaction, for which others have to wait."""


@dataclass
class Cleaned:
    """What was, or in check mode would be, deleted.

    Attributes:
        jobs: how many, by their types.
        events: of these jobs.
        folders: of these jobs, on this controller.
        kept: jobs that are old enough and were kept, since something of them is still going on.
        warnings: what the user should know.
    """

    jobs: dict[str, int] = field(default_factory=dict)
    events: int = 0
    folders: int = 0
    kept: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Job:
    """What counts of a job here."""

    id: int
    uuid: str
    type: str
    status: str
    pod_deleted: bool
    event_count: int


class JobCleanup:
    """Deletes jobs step by step.

    Attributes:
        cleaned: what was deleted so far.
    """

    def __init__(
        self, options: StoreOptions, *, days: int, types: Collection[str], dry_run: bool = False
    ) -> None:
        """Opens the store; its secrets are not needed.

        Args:
            options: where it is.
            days: for which jobs are kept after their end.
            types: of the jobs; what belongs to one of them may be of any type.
            dry_run: only count.

        Raises:
            Failure: `InvalidConfiguration`, where the database can't be used.
        """
        self.cleaned = Cleaned()
        self._options = options
        self._types = tuple(types)
        self._dry_run = dry_run
        self._last = 0
        self._database = Database(options)
        self.cleaned.warnings.extend(self._database.warnings)
        self._limit = self._database.read(clock) - days * DAY

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def step(self) -> bool:
        """Looks at some more jobs; whether there may be others."""
        families = self._database.read(self._families)
        going: list[_Job] = []
        for root, family in families.items():
            self._last = root
            if any(job.status not in FINAL or not job.pod_deleted for job in family):
                self.cleaned.kept += 1
            elif self._dry_run:
                self.cleaned.folders += sum(self._folder(job).exists() for job in family)
                self._count(family)
            elif self._remove_folders(family):
                going.extend(family)
        # Children first, so that none is left without its parent. They have the greater numbers.
        going.sort(key=lambda job: -job.id)
        for start in range(0, len(going), AT_ONCE):
            self._delete(going[start : start + AT_ONCE])
        return bool(families)

    def without_project(self, numbers: Collection[int]) -> set[int]:
        """Those of the numbers that no project has any more."""
        there = self._database.read(
            lambda connection: set(connection.execute(select(projects.c.id)).scalars())
        )
        return set(numbers) - there

    def _families(self, connection: Connection) -> dict[int, list[_Job]]:
        """The next jobs that are old enough, each with all that belongs to it."""
        # Who has ended has `finished`. What belongs to another one goes with it.
        old = (jobs.c.finished <= self._limit, jobs.c.type.in_(self._types), jobs.c.parent_id.is_(None))
        roots = select(jobs.c.id).where(jobs.c.id > self._last, *old).order_by(jobs.c.id).limit(LOOKED_AT)
        families: dict[int, list[_Job]] = {number: [] for number in connection.execute(roots).scalars()}
        start = select(jobs.c.id.label("root"), jobs.c.id.label("member")).where(jobs.c.id.in_(families))
        tree = start.cte("tree", recursive=True)
        tree = tree.union_all(select(tree.c.root, jobs.c.id).where(jobs.c.parent_id == tree.c.member))
        columns = [jobs.c[each.name] for each in fields(_Job)]
        members = select(tree.c.root, *columns).join(jobs, jobs.c.id == tree.c.member)
        for root, *values in connection.execute(members):
            families[root].append(_Job(*values))
        return families

    def _delete(self, batch: Sequence[_Job]) -> None:
        numbers = [job.id for job in batch]

        def work(connection: Connection) -> set[int]:
            # Another cleanup may have deleted some of them.
            there = select(jobs.c.id).where(jobs.c.id.in_(numbers)).with_for_update()
            found = set(connection.execute(there).scalars())
            connection.execute(delete(events).where(events.c.job_id.in_(numbers)))
            connection.execute(delete(jobs).where(jobs.c.id.in_(numbers)))
            return found

        deleted = self._database.write(work)
        self._count([job for job in batch if job.id in deleted])

    def _count(self, found: Sequence[_Job]) -> None:
        for job in found:
            self.cleaned.jobs[job.type] = self.cleaned.jobs.get(job.type, 0) + 1
            self.cleaned.events += job.event_count

    def _folder(self, job: _Job) -> Path:
        return self._options.job_folder(job.id, job.uuid)

    def _remove_folders(self, family: Sequence[_Job]) -> bool:
        """Removes the folders, before the rows without which nobody would find them; whether it could."""
        for job in family:
            folder = self._folder(job)
            try:
                with suppress(FileNotFoundError):
                    shutil.rmtree(folder)
                    self.cleaned.folders += 1
            except OSError as exc:
                self.cleaned.kept += 1
                why = f"{folder} can't be removed: {exc.strerror}"
                self.cleaned.warnings.append(f"job {job.id} is kept, since {why}")
                return False
        return True
