# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that writes reports: what it answers, and what becomes of the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.report import VERBS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.report_file import permissions
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.watching import watched

Options = dict[str, Any]


class Asked:
    """A user with a store, and a job in it.

    Attributes:
        folder: where the store is, and where relative paths begin.
        job_id: the job's number.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = JobStore.open(store_options({"data_dir": str(folder / "store")}, {}, folder))
        self.job_id = self.job("site.yml", "hello <from> the pod")

    def job(self, name: str, printed: str, kind: str = "job", **columns: Any) -> int:
        """A job that has ended, with one event."""
        job_id = self.store.create(NewJob(uuid4().hex, kind, name, True, "here", columns=columns))
        lease = self.store.claim(job_id, "me")
        line = json.dumps({"counter": 1, "event": "verbose", "stdout": printed}).encode() + b"\n"
        self.store.add_events(job_id, lease, EventBatch(1, 1, line, 1))
        self.store.update(job_id, lease, status="running", pod_name="pod-x", execution_node="node1")
        self.store.finish(job_id, lease, status="successful")
        return job_id

    async def report(self, *, check: bool = False, gone: bool = False, **options: Any) -> Options:
        """What the module answers."""
        given = {"job_id": self.job_id, "dest": "report.html", **options}
        async with watched(gone=gone) as launcher:
            request = request_for("job_report", self.folder, check=check, **given)
            answer = await VERBS["job_report"](request, KeptFeed(), launcher)
        assert answer is not None
        return answer

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"store"}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(tmp_path)
    yield asked
    asked.store.close()


async def test_check_do_and_do_again(asked: Asked) -> None:
    place = asked.folder / "report.html"
    checked = await asked.report(check=True)
    assert (checked["changed"], asked.files()) == (True, set())
    assert checked["msg"] == f"The report of job 1 (site.yml) would be written to {place}."
    done = await asked.report()
    assert {**done, "msg": ""} == {**checked, "msg": ""}
    assert done["msg"] == f"The report of job 1 (site.yml) was written to {place}."
    assert asked.files() == {"report.html"}
    assert (place.stat().st_size, place.stat().st_mode & 0o7777) == (done["size"], 0o600)
    assert "hello &lt;from&gt; the pod" in place.read_text()
    for check in (True, False):
        again = await asked.report(check=check)
        assert (again["changed"], again["size"]) == (False, done["size"])
        assert again["msg"] == f"The report of job 1 (site.yml) is in {place} already."
    assert asked.files() == {"report.html"}


async def test_mode_is_changed_alone(asked: Asked) -> None:
    place = asked.folder / "report.html"
    await asked.report()
    before = place.stat().st_ino
    assert (await asked.report(mode="0644", check=True))["changed"]
    assert place.stat().st_mode & 0o777 == 0o600
    assert (await asked.report(mode="0644"))["changed"]
    assert (place.stat().st_mode & 0o777, place.stat().st_ino) == (0o644, before)
    assert not (await asked.report(mode=0o644))["changed"]


async def test_another_file_is_replaced_and_a_link_is_not_followed(asked: Asked) -> None:
    place, other = asked.folder / "report.html", asked.folder / "other"
    other.write_text("precious")
    place.symlink_to(other)
    assert (await asked.report())["changed"]
    assert (other.read_text(), place.is_symlink()) == ("precious", False)
    place.write_text("old")
    assert (await asked.report())["changed"]
    assert place.read_text().startswith("<!DOCTYPE html>")


async def test_folder_gets_a_file_with_the_number(asked: Asked) -> None:
    (asked.folder / "reports").mkdir()
    for dest in ("reports", "reports/", str(asked.folder / "reports")):
        assert (await asked.report(dest=dest))["dest"] == str(asked.folder / "reports/job-1.html")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"job_id": 4711}, "job_id: there is no job 4711", id="no job"),
        pytest.param({"dest": "no/report.html"}, "no folder", id="no folder"),
        pytest.param({"dest": "new/"}, "no folder", id="no folder with a slash"),
        pytest.param({"dest": "fifo"}, "no file", id="no file"),
        pytest.param(
            {"mode": "u=rw"}, "mode is 'u=rw'; it must be an octal number in quotes", id="mode in letters"
        ),
        pytest.param({"mode": 644}, "mode is 644", id="mode without quotes or zero"),
        pytest.param({"max_output_size": -1}, "max_output_size", id="size below 0"),
        pytest.param(
            {"max_output_size": "1G"},
            "max_output_size is 1073741824 bytes; it must be at most 256M",
            id="size too big",
        ),
    ],
)
async def test_wrong_options_are_named(asked: Asked, options: Options, words: str) -> None:
    os.mkfifo(asked.folder / "fifo")
    with pytest.raises(Failure) as refused:
        await asked.report(**options)
    assert refused.value.reason == "InvalidConfiguration"
    assert words in refused.value.message
    assert asked.files() == {"fifo"}


def test_permissions() -> None:
    assert [permissions(mode) for mode in ("0600", "640", "0o644", 0o640)] == [0o600, 0o640, 0o644, 0o640]
    wrong: list[Any] = ["", "9", "4755", "-1", "rw", True, None, -1, 6.0, [], "0600\n"]
    for mode in wrong:
        with pytest.raises(Failure, match="octal"):
            permissions(mode)


async def test_file_stays_where_nobody_waits_any_more(asked: Asked) -> None:
    (asked.folder / "report.html").write_text("old")
    with pytest.raises(Failure) as failed:
        await asked.report(gone=True)
    assert failed.value.reason == "Canceled"
    assert asked.files() == {"report.html"}
    assert (asked.folder / "report.html").read_text() == "old"


async def test_slices_and_what_is_left_out(asked: Asked) -> None:
    asked.job_id = asked.job("sliced", "", kind="workflow_job")
    for number in (1, 2):
        columns: Options = {"parent_id": asked.job_id, "job_slice_number": number, "job_slice_count": 2}
        asked.job("slice", f"output of slice {number}", **columns)
    done = await asked.report()
    page = Path(done["dest"]).read_text()
    assert (done["jobs"], done["left_out"]["lines"]) == (3, 0)
    assert "output of slice 1" in page
    assert "output of slice 2" in page
    less = await asked.report(max_output_size=0)
    assert less["changed"]
    assert less["msg"].endswith(" It leaves out 2 lines.")
    assert "output of slice 1" not in Path(done["dest"]).read_text()
