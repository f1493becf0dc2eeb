# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key a store has, and that nothing is stored that another key has sealed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import keys
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.keys import key_beside
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import (
    new_key,
    read_key,
    write_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import settings
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    LAUNCH,
    done,
    event_batch,
    everything,
    new_job,
)
from sqlalchemy import update


def refusal(options: StoreOptions) -> str:
    with pytest.raises(Failure) as caught:
        JobStore.open(options)
    assert caught.value.reason == "InvalidConfiguration"
    return caught.value.message


@pytest.fixture
def job_id(options: StoreOptions) -> int:
    """A job in a store that nobody has open."""
    store = JobStore.open(options)
    job_id = store.create(new_job())
    store.close()
    return job_id


def beside(options: StoreOptions) -> Path:
    """The file beside `secret_key_file` under its key's own fingerprint."""
    place = options.secret_key_file
    return key_beside(place, read_key(place, create=False).fingerprint)


# -- which file --


def test_key_beside_counts_where_the_file_has_another_one(options: StoreOptions, job_id: int) -> None:
    shutil.copy2(options.secret_key_file, beside(options))
    own = beside(options)
    write_key(options.secret_key_file, new_key(), replace=True)
    store = JobStore.open(options)
    assert store.launch(job_id) == LAUNCH
    (warning,) = store.warnings
    assert str(own) in warning and "regenerate_secret_key" in warning
    store.close()


def test_key_beside_counts_where_the_file_is_missing(options: StoreOptions, job_id: int) -> None:
    options.secret_key_file.rename(beside(options))
    store = JobStore.open(options)
    assert store.launch(job_id) == LAUNCH
    assert len(store.warnings) == 1
    store.close()


def test_key_in_its_place_needs_no_other(options: StoreOptions, job_id: int) -> None:
    beside(options).write_text("no key")
    store = JobStore.open(options)
    assert (store.launch(job_id), store.warnings) == (LAUNCH, ())
    store.close()


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "another's"])
def test_key_beside_that_is_wrong(options: StoreOptions, job_id: int, lost: bool) -> None:
    wrong = beside(options)
    write_key(wrong, new_key())
    if lost:
        options.secret_key_file.unlink()
    else:
        write_key(options.secret_key_file, new_key(), replace=True)
    assert "is not the one that this store's secrets are sealed with" in refusal(options)


@pytest.mark.parametrize("mode", [0o640, 0o604], ids=oct)
def test_file_that_others_can_read_is_told_all_the_same(
    options: StoreOptions, job_id: int, mode: int
) -> None:
    shutil.copy2(options.secret_key_file, beside(options))
    options.secret_key_file.chmod(mode)
    assert "chmod 600" in refusal(options)


def test_key_that_is_changed_between_two_looks(
    options: StoreOptions, job_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was asked before the change, the file is read after it."""
    looks: list[Path] = []

    def change_first(place: Path, *, create: bool) -> object:
        if not looks:
            write_key(place, new_key(), replace=True)
            new = read_key(place, create=False)
            done(options, update(settings).values(value=new.fingerprint))
        looks.append(place)
        return read_key(place, create=create)

    monkeypatch.setattr(keys, "read_key", change_first)
    JobStore.open(options).close()
    assert len(looks) == 2


def test_database_that_forgets_its_key_between_two_looks(
    options: StoreOptions, job_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key(options.secret_key_file, new_key(), replace=True)
    monkeypatch.setattr(keys, "read_key", lambda place, create: _forgetting(options, place))
    assert "is not the one" in refusal(options)


def _forgetting(options: StoreOptions, place: Path) -> object:
    done(options, settings.delete())
    return read_key(place, create=False)


# -- what was sealed with a former key --

SEALING: dict[str, Callable[[JobStore, int], object]] = {
    "new job": lambda store, job_id: store.create(new_job()),
    "new object": lambda store, job_id: store.objects.save(
        "credential", Wanted("c", {"credential_type": "machine", "inputs": {"password": "x"}})
    ),
}
OTHERS: dict[str, Callable[[JobStore, int], object]] = {
    "heartbeat": lambda store, job_id: store.heartbeat(job_id, 1),
    "events": lambda store, job_id: store.add_events(job_id, 1, event_batch(1, 3)),
    "end": lambda store, job_id: store.finish(job_id, 1, status="successful"),
    "cancel": lambda store, job_id: store.request_cancel(job_id),
    "nothing sealed": lambda store, job_id: store.objects.save("organization", Wanted("o")),
}


@pytest.fixture
def changed(options: StoreOptions, store: JobStore) -> tuple[JobStore, int]:
    """A store that was opened, and has sealed something, before its key was changed; and a job of it."""
    job_id = store.create(new_job())
    store.claim(job_id, "me")
    done(options, update(settings).where(settings.c.name == keys.SETTING).values(value="another"))
    return store, job_id


@pytest.mark.parametrize("name", SEALING)
def test_nothing_that_nobody_could_open_is_stored(
    changed: tuple[JobStore, int], options: StoreOptions, name: str
) -> None:
    before = everything(options)
    for _try in range(2):
        with pytest.raises(Failure, match="The secret key was changed while this was being done") as caught:
            SEALING[name](*changed)
        assert caught.value.hint == "Do it again."
        assert everything(options) == before


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_sealed_goes_on(changed: tuple[JobStore, int], name: str) -> None:
    OTHERS[name](*changed)


def test_what_is_not_sealed_goes_on_after_a_dry_run(options: StoreOptions, store: JobStore) -> None:
    job_id = store.create(new_job())
    store.claim(job_id, "me")
    given = {"credential_type": "machine", "inputs": {"password": "x"}}
    store.objects.save("credential", Wanted("c", given), dry_run=True)
    done(options, update(settings).where(settings.c.name == keys.SETTING).values(value="another"))
    store.heartbeat(job_id, 1)


def test_two_stores_with_one_key(options: StoreOptions, job_id: int, tmp_path: Path) -> None:
    place = str(options.secret_key_file)
    other = store_options({"data_dir": str(tmp_path / "b"), "secret_key_file": place}, {}, tmp_path)
    JobStore.open(other).close()
    own = beside(options)
    shutil.copy2(place, own)
    write_key(options.secret_key_file, new_key(), replace=True)
    for each in (options, other):
        JobStore.open(each).close()
