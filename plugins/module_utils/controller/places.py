# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the store, its key and the jobs' folders lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

DATABASE = "jobpods.db"
KEY = "secret.key"
VARIABLES = {
    "database_url": "JOBPODS_DATABASE_URL",
    "secret_key_file": "JOBPODS_SECRET_KEY_FILE",
    "data_dir": "JOBPODS_DATA_DIR",
}
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///(?P<path>[^?]+)")
"""No `?`: its parameters would be the driver's, and some of them undo what makes the store safe."""


@dataclass(frozen=True)
class StoreOptions:
    """Where the store is.

    Attributes:
        database_url: for SQLAlchemy; may hold a password.
        database_file: the file of an SQLite database, else None.
        secret_key_file: with the key that secrets are sealed with.
        data_dir: for the jobs' folders.
    """

    database_url: str = field(repr=False)
    database_file: Path | None
    secret_key_file: Path
    data_dir: Path

    @property
    def database_option(self) -> str:
        """The option that says where the database's file lies."""
        return "data_dir" if self.database_file == self.data_dir / DATABASE else "database_url"

    def job_folder(self, job_id: int, uuid: str) -> Path:
        """Where a job's files lie; another store with the same `data_dir` has a job of this number, too."""
        return self.data_dir / "jobs" / f"{job_id}-{uuid[:10]}"


def store_options(params: Mapping[str, Any], environ: Mapping[str, str], home: Path) -> StoreOptions:
    """Reads the options that every module takes.

    Args:
        params: `database_url`, `secret_key_file` and `data_dir`; absent or None where not given.
        environ: `JOBPODS_DATABASE_URL`, `JOBPODS_SECRET_KEY_FILE`, `JOBPODS_DATA_DIR` and `XDG_DATA_HOME`.
        home: the user's home folder.

    Returns:
        The complete options, with absolute paths.

    Raises:
        Failure: `InvalidConfiguration` for a URL that is none.
    """

    def given(name: str) -> str:
        return str(params.get(name) or environ.get(VARIABLES[name]) or "")

    def path(text: str) -> Path:
        return (home / text[2:] if text == "~" or text.startswith("~/") else Path(text)).absolute()

    user = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "jobpods"
    url, folder = given("database_url"), given("data_dir")
    if url and "://" not in url:
        raise Failure(
            "InvalidConfiguration",
            "database_url is not a URL; give one like sqlite:////var/lib/jobpods/jobpods.db or"
            " postgresql+psycopg://user@host/jobpods.",
        )
    match = _SQLITE.fullmatch(url)
    if url.startswith("sqlite") and (not match or match["path"] == ":memory:"):
        raise Failure(
            "InvalidConfiguration",
            "database_url names no file, or has parameters; for SQLite give sqlite:////PATH/OF/FILE only.",
        )
    if url and not match:
        data_dir, file = path(folder) if folder else user, None
    else:
        file = path(match["path"]) if match else (path(folder) if folder else user) / DATABASE
        data_dir = path(folder) if folder else file.parent
        url = url or f"sqlite:///{file}"
    key = given("secret_key_file")
    return StoreOptions(url, file, path(key) if key else data_dir / KEY, data_dir)
