# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key a store's secrets are sealed with: the database knows its fingerprint, a file has the key.

The key is in `secret_key_file`. Beside it, once it was changed, lie the former keys and a copy of the new
one, each under its fingerprint: other stores may have the same file, and still need the former key, as does a
backup of the database. What the database says counts, so that a change of the key that was cut short at any
point leaves a store that opens.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.locks import Lock, together
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox, read_key
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import settings
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, insert, select, update

SETTING = "key"


def open_box(database: Database, options: StoreOptions) -> SecretBox:
    """The box with the store's key; a new store gets one.

    From then on, the database takes nothing that the box has sealed once the key is another one.

    Raises:
        Failure: `InvalidConfiguration`, where the key is lost, can't be used, or is another store's.
    """
    box = _find_box(database, options)
    database.tie(box, lambda connection: refuse_former_key(connection, box))
    return box


def key_beside(place: Path, fingerprint: str) -> Path:
    """The file beside `secret_key_file` that keeps the key of a fingerprint."""
    return place.with_name(f"{place.name}.{fingerprint}")


def stored_fingerprint(connection: Connection) -> str | None:
    """The fingerprint of the key that counts; None where nothing was sealed yet."""
    return connection.execute(select(settings.c.value).where(settings.c.name == SETTING)).scalar()


def replace_fingerprint(connection: Connection, fingerprint: str) -> None:
    """Says that another key counts now; the caller has the lock."""
    connection.execute(update(settings).where(settings.c.name == SETTING).values(value=fingerprint))


def refuse_former_key(connection: Connection, box: SecretBox) -> None:
    """Keeps a transaction from storing what was sealed with a key that does not count any more.

    Raises:
        Failure: `InvalidConfiguration`.
    """
    together(connection, Lock.SEALING)
    if stored_fingerprint(connection) != box.fingerprint:
        raise Failure(
            "InvalidConfiguration",
            "The secret key was changed while this was being done; nothing was stored.",
            hint="Do it again.",
        )


def _find_box(database: Database, options: StoreOptions) -> SecretBox:
    place = options.secret_key_file
    known = database.read(stored_fingerprint)
    if known is None:
        new = read_key(place, create=True)
        known = database.write(lambda connection: _keep_fingerprint(connection, new.fingerprint))
    while True:
        box = _read(place, known)
        if box.fingerprint == known:
            break
        former, known = known, database.read(stored_fingerprint) or known
        if former == known:  # else the key was changed between the two looks
            raise _other_key(place)
    if box.place != place:
        database.warnings.append(
            f"The store's key is in {box.place}; secret_key_file {place} is another store's, or the key's"
            " last change was cut short. Change it again with regenerate_secret_key, or give this file."
        )
    return box


def _read(place: Path, fingerprint: str) -> SecretBox:
    """The key of a fingerprint where it is there, in the file or beside it, else the one in the file."""
    beside = key_beside(place, fingerprint)
    if place.exists() or not beside.exists():
        box = read_key(place, create=False)
        if box.fingerprint == fingerprint or not beside.exists():
            return box
    return read_key(beside, create=False)


def _keep_fingerprint(connection: Connection, fingerprint: str) -> str:
    """Ties the store to a key, unless it is tied to one; returns the fingerprint of the one that counts."""
    known = stored_fingerprint(connection)
    if known is None:
        connection.execute(insert(settings).values(name=SETTING, value=fingerprint))
    return known or fingerprint


def _other_key(place: Path) -> Failure:
    return Failure(
        "InvalidConfiguration",
        f"The key in secret_key_file {place} is not the one that this store's secrets are sealed with;"
        " restore the right file.",
        hint="Where regenerate_secret_key was run on another controller, copy its file.",
    )
