# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: who may read it, what is refused, and what happens when others are in the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import database, engines
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    connected,
    done,
    new_job,
    on_new_databases,
    sqlite_only,
)
from sqlalchemy import inspect, text

NOBODY = 65534


def file_of(options: StoreOptions) -> Path:
    assert options.database_file is not None
    return options.database_file


def refusal(options: StoreOptions) -> Failure:
    with pytest.raises(Failure) as caught:
        JobStore.open(options)
    assert caught.value.reason == "InvalidConfiguration"
    return caught.value


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may do everything, so it is somebody else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody can reach, unlike pytest's own."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


# -- who may read it --


@sqlite_only
def test_only_the_owner_reaches_the_files(options: StoreOptions) -> None:
    mask = os.umask(0)
    try:
        store = JobStore.open(options)
        store.create(new_job())
    finally:
        os.umask(mask)
    files = sorted(options.data_dir.iterdir())
    assert [file.name for file in files] == ["jobpods.db", "jobpods.db-shm", "jobpods.db-wal", "secret.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(options.data_dir.stat().st_mode) == 0o700
    store.close()


@sqlite_only
def test_secrets_are_not_in_the_files(options: StoreOptions) -> None:
    store = JobStore.open(options)
    store.create(new_job())
    content = b"".join(file.read_bytes() for file in options.data_dir.iterdir())
    store.close()
    assert b"site.yml" in content
    assert b"in the launch request" not in content
    assert b"in the connection" not in content


# -- what is refused --


@sqlite_only
def test_file_that_is_no_database(options: StoreOptions) -> None:
    options.data_dir.mkdir()
    file_of(options).write_text("These are not the rows you are looking for.\n" * 100)
    failure = refusal(options)
    assert str(file_of(options)) in failure.message
    assert "not a database" in failure.message
    assert file_of(options).read_text().startswith("These are not")


@sqlite_only
def test_database_that_is_a_folder(options: StoreOptions) -> None:
    file_of(options).mkdir(parents=True)
    assert str(file_of(options)) in refusal(options).message


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failure = refusal(store_options({"data_dir": str(tmp_path / "file")}, {}, tmp_path))
    assert "Not a directory" in failure.message
    assert failure.message.startswith("data_dir: the database")


@pytest.mark.parametrize("option", ["data_dir", "database_url"])
def test_folder_that_cannot_be_made_names_the_option(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "jobs"
    value = str(folder) if option == "data_dir" else f"sqlite:///{folder}/a.db"
    failure = refusal(store_options({option: value}, {}, tmp_path))
    assert failure.message == f"{option}: the folder {folder} can't be made: Not a directory."
    variable = "JOBPODS_DATA_DIR" if option == "data_dir" else "JOBPODS_DATABASE_URL"
    assert failure.hint == f"Give {option}, or {variable}, a place that this user may write to."


def test_folder_that_may_not_be_written(public_folder: Path) -> None:
    options = store_options({"data_dir": str(public_folder / "jobs")}, {}, Path("/"))
    public_folder.chmod(0o555)
    with ordinary_user():
        failure = refusal(options)
    assert "Permission denied" in failure.message
    assert str(options.data_dir) in failure.message


def test_file_that_may_not_be_written(public_folder: Path) -> None:
    options = store_options({"data_dir": str(public_folder)}, {}, Path("/"))
    JobStore.open(options).close()
    file_of(options).chmod(0o444)
    with ordinary_user():
        failure = refusal(options)
    assert "no permission to read and write it" in failure.message
    assert str(file_of(options)) in failure.message


@on_new_databases
def test_database_of_a_later_version(options: StoreOptions) -> None:
    JobStore.open(options).close()
    done(options, text("UPDATE alembic_version SET version_num = '9999'"), text("DROP TABLE events"))
    assert "later version" in refusal(options).message
    with connected(options) as connection:
        found = inspect(connection).get_table_names()
    assert "jobs" in found
    assert "events" not in found, "an older collection has no business with a newer one's tables"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense://ann:hunter2@db.test/jobs",
        "postgresql://ann:hunter2@db.test:port/jobs",
        "postgresql+nonsense://ann:hunter2@db.test/jobs",
        "mysql+aiomysql://ann:hunter2@db.test/jobs",
    ],
)
def test_url_that_can_not_be_used_is_named_without_its_password(url: str, tmp_path: Path) -> None:
    failure = refusal(store_options({"database_url": url}, {}, tmp_path))
    assert "database_url" in failure.message
    assert "hunter2" not in "".join(traceback.format_exception(failure))


def test_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = "postgresql+psycopg://ann:hunter2@db.test/jobs"
    failure = refusal(store_options({"database_url": url}, {}, tmp_path))
    assert "psycopg" in failure.message
    assert "hunter2" not in failure.message


def test_server_that_is_not_there_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"waits for {seconds} s"))
    url = f"postgresql+psycopg://ann:hunter2@/jobs?host={tmp_path}"
    failure = refusal(store_options({"database_url": url}, {}, tmp_path))
    assert "No such file" in failure.message
    assert "hunter2" not in failure.message


# -- key and database belong together --


def test_other_key_is_refused(options: StoreOptions) -> None:
    JobStore.open(options).close()
    options.secret_key_file.unlink()
    database.Database(options).close()  # the database by itself is all right
    other = store_options({"data_dir": str(options.data_dir.parent / "other")}, {}, Path("/"))
    JobStore.open(other).close()
    shutil.copy(other.secret_key_file, options.secret_key_file)
    failure = refusal(options)
    assert str(options.secret_key_file) in failure.message
    assert "not the one" in failure.message


def test_lost_key_is_not_made_anew(options: StoreOptions) -> None:
    JobStore.open(options).close()
    options.secret_key_file.unlink()
    assert "is missing" in refusal(options).message
    assert not options.secret_key_file.exists()


def test_one_key_serves_two_stores(tmp_path: Path) -> None:
    for name in ("a.db", "b.db"):
        params = {"database_url": f"sqlite:///{tmp_path}/{name}", "secret_key_file": str(tmp_path / "key")}
        JobStore.open(store_options(params, {}, tmp_path)).close()


# -- others in the way --


@sqlite_only
def test_write_waits_for_another_ones(
    options: StoreOptions, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.0)
    impatient = JobStore.open(options)
    pauses: list[float] = []
    with closing(sqlite3.connect(file_of(options), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr(time, "sleep", pause)
        job_id = impatient.create(new_job())
    assert len(pauses) == 3
    assert store.get(job_id).status == "pending"
    impatient.close()


@sqlite_only
def test_write_does_not_wait_for_ever(options: StoreOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.0)
    monkeypatch.setattr(database, "RETRY_LIMIT", 0.1)
    store = JobStore.open(options)
    with closing(sqlite3.connect(file_of(options), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Failure, match="locked") as caught:
            store.create(new_job())
        assert caught.value.reason == "InvalidConfiguration"
        assert store.list() == [], "reading goes on"
    store.close()


@sqlite_only
def test_opening_a_store_does_not_wait_for_writers(
    options: StoreOptions, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.0)
    monkeypatch.setattr(database, "RETRY_LIMIT", 0.0)
    with closing(sqlite3.connect(file_of(options), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        JobStore.open(options).close()


# -- network file systems --


@sqlite_only
@pytest.mark.parametrize("network", [False, True], ids=["local", "network"])
def test_wal_only_on_local_file_systems(
    options: StoreOptions, network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = engines.file_system(options.data_dir)
    assert kind
    if network:
        monkeypatch.setattr(engines, "NETWORK_FILE_SYSTEMS", frozenset((kind,)))
    store = JobStore.open(options)
    job_id = store.create(new_job())
    with closing(sqlite3.connect(file_of(options))) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete" if network else "wal",)
    assert store.get(job_id).id == job_id
    assert [kind in warning for warning in store.warnings] == ([True] if network else [])
    store.close()


def test_file_system_of_a_mount_is_found() -> None:
    assert engines.file_system(Path("/proc/self/status")) == "proc"
