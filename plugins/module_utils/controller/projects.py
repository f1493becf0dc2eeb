# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last update of a project has brought, in the store; and whether a job needs another one first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database, clock
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import projects
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Row, select, update

DEFAULTS = KINDS["project"].settings
ORIGIN = ("scm_type", "scm_url", "scm_branch", "scm_refspec", "scm_track_submodules")
"""Options that decide what a revision is of: after a change of one, the last revision says nothing."""


@dataclass(frozen=True)
class ProjectState:
    """What is known of a project's last successful update.

    Attributes:
        revision: commit or hash; empty for a manual project, or before the first update.
        origin: as `origin_of` told of the options that it was made with.
        age: seconds since then; None before the first one.
    """

    revision: str
    origin: str
    age: float | None


@dataclass(frozen=True)
class UpdatePlan:
    """What a job that uses a project does about updates.

    Attributes:
        needed: an update runs first.
        branch: that it updates to.
        own: the branch is the project's own, so that what the update brings is kept for others.
        revision: to run on where no update is needed.
    """

    needed: bool
    branch: str
    own: bool
    revision: str


def plan_update(options: Mapping[str, Any], state: ProjectState, branch: str = "") -> UpdatePlan:
    """What a job needs of its project (AWX: DependencyManager, and the project's sync before a job).

    Args:
        options: the project's.
        state: of its last update.
        branch: that the job is to run; empty for the project's own.

    Raises:
        Failure: `InvalidConfiguration`, where another branch is wanted and may not be.
    """
    own_branch = str(options["scm_branch"])
    if branch and branch != own_branch:
        if options["scm_type"] != "git":
            raise Failure(
                "InvalidConfiguration",
                f"scm_branch is {branch!r}, but a project of scm_type {options['scm_type']} has no branches.",
            )
        if not options["allow_override"]:
            raise Failure(
                "InvalidConfiguration",
                f"scm_branch is {branch!r}, but the project does not allow it: set its allow_override.",
            )
        return UpdatePlan(True, branch, False, "")
    if options["scm_type"] == "manual":
        return UpdatePlan(False, "", True, "")
    never = state.age is None or not state.revision or state.origin != origin_of(options)
    old = never or (state.age or 0.0) >= options["scm_update_cache_timeout"]
    needed = never or (bool(options["scm_update_on_launch"]) and old)
    return UpdatePlan(needed, own_branch, True, "" if needed else state.revision)


def origin_of(options: Mapping[str, Any]) -> str:
    """What tells revisions of these options from those of others."""
    given = json.dumps([options[name] for name in ORIGIN])
    return hashlib.sha256(given.encode()).hexdigest()


class ProjectStore:
    """The revisions of projects in one database. Not for several threads at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, project_id: int) -> ProjectState:
        """What is known of a project's last successful update.

        Raises:
            Failure: `InvalidConfiguration`, where the project is no more.
        """
        return self._read(project_id)[1]

    def plan(self, project_id: int, branch: str = "") -> UpdatePlan:
        """What a job needs of its project; see `plan_update`.

        Raises:
            Failure: `InvalidConfiguration`, where the project is no more, or has no such branch.
        """
        settings, state = self._read(project_id)
        return plan_update({**DEFAULTS, **settings}, state, branch)

    def updated(self, project_id: int, revision: str, options: Mapping[str, Any]) -> None:
        """Keeps what a successful update to the project's own branch has brought.

        Args:
            project_id: the project's.
            revision: commit or hash.
            options: the project's, as the update has read them.
        """
        statement = update(projects).where(projects.c.id == project_id)

        def work(connection: Connection) -> None:
            values = {"scm_revision": revision, "scm_origin": origin_of(options)}
            connection.execute(statement.values({**values, "last_updated": clock(connection)}))

        self._database.write(work)

    def _read(self, project_id: int) -> tuple[Mapping[str, Any], ProjectState]:
        statement = select(projects).where(projects.c.id == project_id)

        def work(connection: Connection) -> tuple[Row[Any] | None, float]:
            return connection.execute(statement).first(), clock(connection)

        row, now = self._database.read(work)
        if row is None:
            raise Failure("InvalidConfiguration", f"The project with the id {project_id} was deleted.")
        age = None if row.last_updated is None else max(0.0, now - row.last_updated)
        return row.settings, ProjectState(row.scm_revision, row.scm_origin, age)
