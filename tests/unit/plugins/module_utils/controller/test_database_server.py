# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database server with many clients: what passes is waited for, and nothing is written twice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import database, engines
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import HEARTBEAT_AGE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import settings
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import OWNER_SILENCE
from ansible_collections.jobpods.controller.tests.database_proxy import DatabaseProxy
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    asked,
    done,
    postgresql_only,
)
from sqlalchemy import Connection, func, insert, make_url, select, text, update

DEADLINE = 60.0
pytestmark = postgresql_only


@pytest.fixture
def opened(options: StoreOptions) -> Iterator[Database]:
    opened = Database(options)
    yield opened
    opened.close()


def raising(code: str) -> str:
    """SQL that fails with an SQLSTATE."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{code}'; END $$"


def keep(connection: Connection, name: str) -> None:
    connection.execute(insert(settings).values(name=name, value="kept"))


def kept(options: StoreOptions) -> list[str]:
    return [row.name for row in asked(options, select(settings.c.name).order_by(settings.c.name))]


def backend(connection: Connection) -> int:
    """The server's process for a connection."""
    return int(connection.execute(select(func.pg_backend_pid())).scalar_one())


def disconnect(options: StoreOptions, connection: Connection) -> None:
    """Has the server end the connection, as a restart does."""
    done(options, select(func.pg_terminate_backend(backend(connection), 10000)))


def never(seconds: float) -> NoReturn:
    raise AssertionError(f"waits for {seconds} s")


# -- transactions in each other's way --


@pytest.mark.parametrize(
    "code",
    ["40001", "40P01", "55P03", "53300", "23505", "23503", "23001"],
    ids=lambda code: f"SQLSTATE {code}",
)
def test_work_is_done_again(opened: Database, options: StoreOptions, code: str) -> None:
    runs = []

    def work(connection: Connection) -> int:
        keep(connection, "a")
        runs.append(1)
        if len(runs) < 3:
            connection.execute(text(raising(code)))
        return len(runs)

    assert opened.write(work) == 3
    assert kept(options) == ["a"]


@pytest.mark.parametrize("code", ["22001", "42501", "23502"], ids=lambda code: f"SQLSTATE {code}")
def test_what_would_fail_again_is_not_done_again(
    opened: Database, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", never)
    with pytest.raises(Failure, match="as the test wants") as caught:
        opened.write(lambda connection: connection.execute(text(raising(code))))
    assert caught.value.reason == "InvalidConfiguration"


def test_error_after_a_conflict_is_final(opened: Database, options: StoreOptions) -> None:
    codes = ["23505", "22001"]
    with pytest.raises(Failure, match="as the test wants"):
        opened.write(lambda connection: connection.execute(text(raising(codes.pop(0)))))
    assert codes == []


def test_conflict_that_stays_is_an_error_without_the_values(opened: Database, options: StoreOptions) -> None:
    opened.write(lambda connection: keep(connection, "the one name"))
    runs = []

    def again(connection: Connection) -> None:
        runs.append(1)
        keep(connection, "the one name")

    with pytest.raises(Failure, match="violates unique constraint") as caught:
        opened.write(again)
    assert "the one name" not in caught.value.message
    assert len(runs) == 1 + database.CONFLICTS


def test_serialization_failure_does_not_last_for_ever(
    opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RETRY_LIMIT", 0.2)
    with pytest.raises(Failure, match="as the test wants"):
        opened.write(lambda connection: connection.execute(text(raising("40001"))))


def test_two_that_make_the_same(opened: Database, options: StoreOptions) -> None:
    other = Database(options)
    done(options, insert(settings).values(name="count", value="0"))

    def make(connection: Connection) -> str:
        if connection.execute(select(settings.c.value).where(settings.c.name == "a")).first() is None:
            other.write(lambda another: keep(another, "a"))
            keep(connection, "a")
            return "made"
        return "found"

    assert opened.write(make) == "found"
    other.close()


def test_deadlock_ends_well_for_both(opened: Database, options: StoreOptions) -> None:
    done(options, *(insert(settings).values(name=name, value="") for name in ("a", "b")))
    both_have_one = threading.Barrier(2)
    runs: list[str] = []

    def take(first: str, second: str) -> None:
        client = Database(options)

        def work(connection: Connection) -> None:
            runs.append(first)
            for name in (first, second):
                added = settings.c.value + first
                connection.execute(update(settings).where(settings.c.name == name).values(value=added))
                if name == first and runs.count(first) == 1:
                    both_have_one.wait(DEADLINE)

        client.write(work)
        client.close()

    with ThreadPoolExecutor(2) as threads:
        taking = [threads.submit(take, *order) for order in (("a", "b"), ("b", "a"))]
        for each in taking:
            each.result(DEADLINE)
    assert len(runs) == 3, "one of them was done again"
    assert [sorted(row.value) for row in asked(options, select(settings.c.value))] == [["a", "b"]] * 2


def test_reading_sees_one_moment(opened: Database, options: StoreOptions) -> None:
    def look(connection: Connection) -> tuple[int, int]:
        count = select(func.count()).select_from(settings)
        before = connection.execute(count).scalar_one()
        done(options, insert(settings).values(name="later", value=""))
        return before, connection.execute(count).scalar_one()

    assert opened.read(look) == (0, 0)
    assert kept(options) == ["later"]


def test_reading_can_not_write(opened: Database) -> None:
    with pytest.raises(Failure, match="read-only"):
        opened.read(lambda connection: keep(connection, "a"))


# -- a server that goes away --


@pytest.mark.parametrize("verb", ["read", "write"])
def test_connection_lost_between_two_transactions(opened: Database, options: StoreOptions, verb: str) -> None:
    done(options, select(func.pg_terminate_backend(opened.read(backend), 10000)))
    assert getattr(opened, verb)(lambda connection: connection.execute(text("SELECT 7")).scalar_one()) == 7


@pytest.mark.parametrize("verb", ["read", "write"])
def test_connection_lost_in_a_transaction(opened: Database, options: StoreOptions, verb: str) -> None:
    runs = []

    def work(connection: Connection) -> int:
        if verb == "write":
            keep(connection, "a")
        runs.append(1)
        if len(runs) == 1:
            disconnect(options, connection)
        return int(connection.execute(text("SELECT 7")).scalar_one())

    assert getattr(opened, verb)(work) == 7
    assert len(runs) == 2
    assert kept(options) == (["a"] if verb == "write" else [])


def test_connection_lost_while_it_is_committed(opened: Database, options: StoreOptions) -> None:
    runs = []

    def work(connection: Connection) -> None:
        runs.append(1)
        keep(connection, "a")
        disconnect(options, connection)

    with pytest.raises(Failure, match="before it could tell whether") as caught:
        opened.write(work)
    assert len(runs) == 1, "it may have been written: it is not done again"
    assert "Look whether" in caught.value.hint
    opened.write(lambda connection: keep(connection, "b"))
    assert kept(options) == ["b"]


def test_reading_again_does_no_harm(opened: Database, options: StoreOptions) -> None:
    runs = []

    def work(connection: Connection) -> int:
        runs.append(1)
        if len(runs) == 1:
            disconnect(options, connection)
        return len(runs)

    assert opened.read(work) == 2


def test_server_that_comes_back(
    opened: Database, options: StoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = Path(str(make_url(options.database_url).query["host"])) / ".s.PGSQL.5432"
    away = socket.with_name("away")
    done(options, select(func.pg_terminate_backend(opened.read(backend), 10000)))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            away.rename(socket)

    monkeypatch.setattr(time, "sleep", pause)
    socket.rename(away)
    try:
        opened.write(lambda connection: keep(connection, "a"))
    finally:
        if away.exists():
            away.rename(socket)
    assert len(pauses) == 3
    assert kept(options) == ["a"]


@pytest.fixture
def way(options: StoreOptions) -> Iterator[DatabaseProxy]:
    with DatabaseProxy(options.database_url).running() as made:
        yield made


def through(way: DatabaseProxy, folder: Path) -> Database:
    return Database(store_options({"database_url": way.url}, {}, folder))


@pytest.mark.parametrize("verb", ["read", "write"])
def test_connection_whose_packets_get_lost(
    way: DatabaseProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Nothing says that it is gone; the operating system would try for a quarter of an hour."""
    monkeypatch.setitem(engines.CONNECT_ARGUMENTS, "tcp_user_timeout", 500)
    far = through(way, tmp_path)
    runs = []

    def work(connection: Connection) -> int:
        runs.append(1)
        if len(runs) == 1:
            way.fall_silent()
        return int(connection.execute(text("SELECT 7")).scalar_one())

    assert getattr(far, verb)(work) == 7
    assert len(runs) == 2
    far.close()


def test_silence_of_a_server_is_borne_for_less_time_than_that_of_an_owner(
    way: DatabaseProxy, tmp_path: Path
) -> None:
    far = through(way, tmp_path)

    def limits(connection: Connection) -> tuple[float, float]:
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.fromfd(driver.fileno(), socket.AF_INET, socket.SOCK_STREAM) as used:

            def option(name: int) -> int:
                return used.getsockopt(socket.IPPROTO_TCP, name)

            probes = option(socket.TCP_KEEPCNT) * option(socket.TCP_KEEPINTVL)
            return option(socket.TCP_USER_TIMEOUT) / 1000, option(socket.TCP_KEEPIDLE) + probes

    unacknowledged, unanswered = far.read(limits)
    assert 0 < unacknowledged < OWNER_SILENCE - HEARTBEAT_AGE
    assert 0 < unanswered < OWNER_SILENCE - HEARTBEAT_AGE
    far.close()


def test_plain_url_takes_the_same_driver(options: StoreOptions, tmp_path: Path) -> None:
    url = options.database_url.replace("postgresql+psycopg:", "postgresql:")
    plain = Database(store_options({"database_url": url}, {}, tmp_path))
    plain.write(lambda connection: keep(connection, "a"))
    plain.close()
    assert kept(options) == ["a"]


def test_no_transaction_waits_or_is_waited_for_without_limit(opened: Database) -> None:
    def limits(connection: Connection) -> list[str]:
        names = ("lock_timeout", "idle_in_transaction_session_timeout")
        return [str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names]

    assert opened.write(limits) == ["30s", "1min"]
