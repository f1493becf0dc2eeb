# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new secret key: everything opens with it, nothing with the old one, and at no moment nothing at all."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import object_tables, rotation
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.keys import key_beside
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import ACTIVE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.rotation import (
    SEALED,
    regenerate_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import (
    SecretBox,
    new_key,
    read_key,
    write_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs, metadata
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller import dying
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    CONNECTION,
    asked,
    done,
    everything,
    new_job,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.little_objects import (
    SECRET,
    make,
    other_value,
)
from sqlalchemy import insert, select, update

SEALED_IDS = [f"{column.table.name}.{column.name}" for column in SEALED]


def refused(options: StoreOptions, **kwargs: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        regenerate_key(options, **kwargs)
    assert caught.value.reason == "InvalidConfiguration"
    return caught.value


def fill(options: StoreOptions) -> dict[str, int]:
    """Fills each sealed column; the number of values in each table."""
    store = JobStore.open(options)
    box = read_key(options.secret_key_file, create=False)
    for kind in KINDS.values():
        for number in range(3):
            secrets = {
                option: other_value(store.objects, kind, option, f"{kind.name}{number}")
                for option in kind.sealed
            }
            make(store.objects, kind.name, f"{kind.name} {number}", **secrets)
    for _number in range(3):
        job_id = store.create(new_job())
        store.finish(job_id, store.claim(job_id, "me"), status="failed", pod_deleted=False)
    store.close()
    workflow = object_tables.workflow_job_templates
    ((first,),) = asked(options, select(workflow.c.id).limit(1))
    node = {"workflow_job_template_id": first, "identifier": "n", "position": 0, "settings": {}}
    done(options, insert(object_tables.workflow_nodes).values(node))
    for column in SEALED:
        empty = update(column.table).where(column.is_(None))
        done(options, empty.values({column.name: box.seal(f"{SECRET} of {column}")}))
    counts: dict[str, int] = {}
    for column in SEALED:
        found = len(asked(options, select(column).where(column.is_not(None))))
        counts[column.table.name] = counts.get(column.table.name, 0) + found
    return counts


def sealed(options: StoreOptions) -> dict[str, list[tuple[int, str]]]:
    """All sealed values."""
    return {
        name: [tuple(row) for row in asked(options, select(column.table.c.id, column).order_by("id"))]
        for name, column in zip(SEALED_IDS, SEALED, strict=True)
    }


def opened(options: StoreOptions, box: SecretBox) -> dict[str, list[tuple[int, Any]]]:
    """All sealed values, opened."""
    return {
        name: [(number, box.open(value)) for number, value in found]
        for name, found in sealed(options).items()
    }


def files(options: StoreOptions) -> Mapping[str, bytes]:
    """The key files."""
    folder = options.secret_key_file.parent
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if "key" in path.name}


# -- what is sealed --


def test_all_that_is_sealed_is_known() -> None:
    named = {
        column for table in metadata.tables.values() for column in table.c if column.name.startswith("sealed")
    }
    assert set(SEALED) == named
    assert all("id" in column.table.c for column in SEALED)


@pytest.mark.parametrize("at_once", [1, 2, 200])
def test_everything_is_sealed_anew(
    options: StoreOptions, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "AT_ONCE", at_once)
    counts = fill(options)
    place = options.secret_key_file
    old = read_key(place, create=False)
    before, values = sealed(options), opened(options, old)
    changed = regenerate_key(options)
    new = read_key(place, create=False)
    assert new.fingerprint != old.fingerprint
    assert opened(options, new) == values
    for name, found in sealed(options).items():
        assert found
        for (number, value), (same, former) in zip(found, before[name], strict=True):
            assert number == same
            assert value != former
            with pytest.raises(Failure, match="does not open"):
                old.open(value)
    assert changed.resealed == counts
    assert (changed.file, changed.warnings) == (place, ())
    assert read_key(changed.former_file, create=False).fingerprint == old.fingerprint


def test_key_files_are_their_owners(options: StoreOptions) -> None:
    JobStore.open(options).close()
    (old,) = files(options).values()
    mask = os.umask(0)
    try:
        changed = regenerate_key(options)
    finally:
        os.umask(mask)
    place = options.secret_key_file
    new = read_key(place, create=False).fingerprint
    assert set(files(options)) == {place.name, changed.former_file.name, key_beside(place, new).name}
    assert changed.former_file.read_bytes() == old
    modes = {stat.S_IMODE(path.stat().st_mode) for path in place.parent.glob("secret.key*")}
    assert modes == {0o600}


def test_store_works_after_each_of_several_changes(options: StoreOptions) -> None:
    for number in range(3):
        store = JobStore.open(options)
        assert store.warnings == ()
        make(store.objects, "credential", f"c{number}", inputs={"password": SECRET})
        store.close()
        regenerate_key(options)
    store = JobStore.open(options)
    for number in range(3):
        assert store.objects.get("credential", f"c{number}", "c").values["inputs"] == {"password": SECRET}
    store.close()


def test_store_that_is_new(options: StoreOptions) -> None:
    assert regenerate_key(options).resealed == {}
    JobStore.open(options).close()


def test_pod_that_is_left_can_still_be_deleted(options: StoreOptions) -> None:
    """By the process that had the former key, and by any other."""
    former = JobStore.open(options)
    job_id = former.create(new_job())
    former.finish(job_id, former.claim(job_id, "me"), status="error", pod_deleted=False)
    regenerate_key(options)
    other = JobStore.open(options)
    assert other.connection(job_id) == CONNECTION
    former.pod_removed(job_id)
    assert other.undeleted_pods(0) == []
    former.close()
    other.close()


def test_other_store_with_the_same_key_file(options: StoreOptions, tmp_path: Path) -> None:
    place = options.secret_key_file
    other = store_options({"data_dir": str(tmp_path / "b"), "secret_key_file": str(place)}, {}, tmp_path)
    stores = [(options, "a"), (other, "b")]
    for each, name in stores:
        store = JobStore.open(each)
        make(store.objects, "credential", name, inputs={"password": name})
        store.close()
    for turn in (options, other, options):
        regenerate_key(turn)
        for each, name in stores:
            store = JobStore.open(each)
            assert store.objects.get("credential", name, "c").values["inputs"] == {"password": name}
            store.close()


def test_key_file_that_is_a_link(options: StoreOptions, tmp_path: Path) -> None:
    target = tmp_path / "keys" / "the key"
    options.secret_key_file.parent.mkdir(parents=True)
    options.secret_key_file.symlink_to(target)
    target.parent.mkdir()
    JobStore.open(options).close()
    old = target.read_bytes()
    regenerate_key(options)
    assert options.secret_key_file.is_symlink()
    assert target.read_bytes() != old
    JobStore.open(options).close()


# -- jobs that run --


@pytest.mark.parametrize("dry_run", [False, True], ids=["change", "dry run"])
@pytest.mark.parametrize("status", ACTIVE)
def test_running_jobs_are_named(options: StoreOptions, status: str, dry_run: bool) -> None:
    store = JobStore.open(options)
    job_id = store.create(new_job(name="site.yml"))
    store.heartbeat(job_id, store.claim(job_id, "me"))
    done(options, update(jobs).values(status=status))
    before = everything(options), files(options)
    failure = refused(options, dry_run=dry_run)
    assert failure.message == (
        "The secret key can't be changed while jobs run whose processes have it:"
        f" job {job_id} (site.yml) on controller.test."
    )
    assert "job_cancel" in failure.hint
    assert (everything(options), files(options)) == before
    store.finish(job_id, 1, status="canceled")
    store.close()
    regenerate_key(options)


def test_ten_jobs_are_named(options: StoreOptions) -> None:
    store = JobStore.open(options)
    for _job in range(12):
        store.create(new_job())
    store.close()
    message = refused(options).message
    assert message.count("site.yml") == 10
    assert message.endswith(" and 2 more.")


def test_job_whose_process_is_gone_is_no_reason(options: StoreOptions) -> None:
    """Else nothing could end it: whoever takes it over has the new key."""
    store = JobStore.open(options)
    silent, unclaimed = (store.create(new_job()) for _job in range(2))
    store.heartbeat(silent, store.claim(silent, "me"))
    store.close()
    long_ago = time.time() - 2 * rotation.SILENCE
    done(options, update(jobs).where(jobs.c.id == silent).values(heartbeat=long_ago))
    assert "2 more" not in refused(options).message
    done(options, update(jobs).where(jobs.c.id == unclaimed).values(created=long_ago))
    regenerate_key(options)
    store = JobStore.open(options)
    assert store.connection(silent) == store.connection(unclaimed) == CONNECTION
    store.close()


# -- what goes wrong --


def test_dry_run_changes_nothing(options: StoreOptions) -> None:
    counts = fill(options)
    before = everything(options), files(options)
    tried = regenerate_key(options, dry_run=True)
    assert (everything(options), files(options)) == before
    assert tried.resealed == counts


@pytest.mark.parametrize("dry_run", [False, True], ids=["change", "dry run"])
@pytest.mark.parametrize("index", range(len(SEALED)), ids=SEALED_IDS)
def test_value_that_does_not_open(options: StoreOptions, index: int, dry_run: bool) -> None:
    fill(options)
    column = SEALED[index]
    ((number,),) = asked(options, select(column.table.c.id).order_by(column.table.c.id.desc()).limit(1))
    foreign = SecretBox(new_key(), options.secret_key_file).seal("x")
    wrong = update(column.table).where(column.table.c.id == number)
    done(options, wrong.values({column.name: foreign}))
    before = everything(options), files(options)
    failure = refused(options, dry_run=dry_run)
    assert failure.message == (
        f"The key in secret_key_file {options.secret_key_file} does not open what is stored."
        f" It is {column.name} of {column.table.name} {number}; the key was not changed."
    )
    assert (everything(options), files(options)) == before
    done(options, wrong.values({column.name: None}))
    JobStore.open(options).close()


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "another's"])
def test_key_that_is_lost_or_wrong(options: StoreOptions, lost: bool) -> None:
    fill(options)
    options.secret_key_file.unlink()
    if not lost:
        write_key(options.secret_key_file, new_key())
    before = everything(options), files(options)
    message = refused(options).message
    assert ("is missing" if lost else "is not the one") in message
    assert (everything(options), files(options)) == before


def test_folder_that_takes_no_file(options: StoreOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(options)
    before = everything(options), files(options)

    def full(*_args: object, **_kwargs: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert "can't be written: No space left on device" in refused(options).message
    monkeypatch.undo()
    assert (everything(options), files(options)) == before


def test_new_key_that_can_not_take_its_place(options: StoreOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is sealed with it by then: it is said where it is, and the store opens."""
    fill(options)
    values = opened(options, read_key(options.secret_key_file, create=False))

    def fail(*_args: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "replace", fail)
    failure = refused(options)
    monkeypatch.undo()
    store = JobStore.open(options)
    (warning,) = store.warnings
    store.close()
    (beside,) = [
        path
        for path in options.secret_key_file.parent.glob("secret.key.*")
        if path.read_bytes() != options.secret_key_file.read_bytes()
    ]
    assert str(beside) in warning
    assert f"new key, which is in {beside}, but secret_key_file" in failure.message
    assert failure.hint.startswith(f"Copy {beside} to {options.secret_key_file}")
    assert opened(options, read_key(beside, create=False)) == values
    regenerate_key(options)
    assert opened(options, read_key(options.secret_key_file, create=False)) == values


def test_process_that_had_the_former_key_stores_nothing_with_it(options: StoreOptions) -> None:
    store = JobStore.open(options)
    regenerate_key(options)
    wanted = Wanted("c", {"credential_type": "machine", "inputs": {"password": SECRET}})
    with pytest.raises(Failure, match="key was changed"):
        store.objects.save("credential", wanted)
    store.close()
    store = JobStore.open(options)
    assert store.objects.save("credential", wanted).changed
    store.close()


def test_process_that_is_killed_at_any_moment(options: StoreOptions) -> None:
    """Before each step that leaves something behind: the store opens, with all of its secrets."""
    fill(options)
    ended: Sequence[str] = json.loads(
        subprocess.run(
            [sys.executable, dying.__file__, str(options.data_dir)],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "JOBPODS_DATABASE_URL": options.database_url,
            },
            stdout=subprocess.PIPE,
            timeout=300,
            check=True,
        ).stdout
    )
    assert ended[-1] == "the end"
    assert {"link", "replace", "fsync", "commit"} <= set(ended)
