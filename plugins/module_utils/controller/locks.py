# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's advisory locks, for what one transaction does at a time. SQLite has one writer anyway."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import Connection, func, select


class Lock(IntEnum):
    """What is done by one at a time; the numbers are the same in all versions of this collection."""

    MIGRATING = 0x6A6F62706F6473
    PLACING = 0x6A6F62706F6474
    DEFINING = 0x6A6F62706F6475
    SEALING = 0x6A6F62706F6476
    """Who changes the key has it alone; who stores secrets has it together with others who do."""


def one_at_a_time(connection: Connection, lock: Lock) -> None:
    """Waits until no other transaction has a lock, and keeps it until the end of this one."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(int(lock))))


def together(connection: Connection, lock: Lock) -> None:
    """Waits until nobody has a lock alone, and keeps others from that until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(int(lock))))
