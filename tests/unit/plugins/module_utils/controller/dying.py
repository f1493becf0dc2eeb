# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a store's key, and is killed before one step after another: `dying.py DATA_DIR` prints the steps.

`JOBPODS_DATABASE_URL` names the database.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.keys import open_box
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.rotation import (
    SEALED,
    regenerate_key,
)
from sqlalchemy import Connection, Engine, event, select

STEPS = ("link", "replace", "fsync", "unlink")
"""Functions of `os` that the change of a key calls."""
KILLED, WHOLE = 9, 0


def secrets(options: StoreOptions) -> list[Any]:
    """All of the store's secrets; raises where one can't be opened."""
    database = Database(options)
    box = open_box(database, options)

    def work(connection: Connection) -> list[Any]:
        columns = [select(column).where(column.is_not(None)).order_by(column.table.c.id) for column in SEALED]
        return [box.open(value) for each in columns for value in connection.execute(each).scalars()]

    found = database.read(work)
    database.close()
    return found


def change_and_die(options: StoreOptions, last: int, report: int) -> None:
    """Changes the key, but for the step of this number and what comes after it."""
    steps = count()

    def step(name: str) -> None:
        if next(steps) == last:
            os.write(report, name.encode())
            os._exit(KILLED)

    def dying(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            step(name)
            return function(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, dying(name, getattr(os, name)))
    event.listen(Engine, "commit", lambda _connection: step("commit"))
    event.listen(
        Engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_others: (
            step("update") if statement.startswith("UPDATE") else None
        ),
    )
    regenerate_key(options)
    os.write(report, b"the end")
    os._exit(WHOLE)


def main(folder: Path) -> list[str]:
    """The steps, in their order."""
    options = store_options({"data_dir": str(folder)}, os.environ, folder)
    before = secrets(options)
    names: list[str] = []
    for last in count():
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            change_and_die(options, last, writing)
        os.close(writing)
        os.waitpid(child, 0)
        names.append(os.read(reading, 100).decode())
        os.close(reading)
        if secrets(options) != before:
            sys.exit(f"secrets were lost before step {last}, {names[-1]}")
        if names[-1] in ("the end", ""):
            return names
    return names


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
