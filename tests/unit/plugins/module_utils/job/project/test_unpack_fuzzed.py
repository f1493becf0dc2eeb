# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No archive gets out of its folder, whatever it is made of: it is unpacked whole, or refused."""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project import unpack as unpacking
from ansible_collections.jobpods.controller.tests.fuzzing import damaged, fuzz
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.test_unpack import (
    Member,
    file,
    link,
    other,
    tar,
    unpacked,
    zipped,
)
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.sampled_from(("a", "b", "made", "made-top", "..", ".", "", "ü", "x" * 90))
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join) | st.sampled_from(("/etc/x", "../x", "a\0b"))
MEMBERS = st.lists(
    st.builds(file, NAMES, st.binary(max_size=20))
    | st.builds(link, NAMES, NAMES)
    | st.builds(other, NAMES, st.sampled_from((tarfile.DIRTYPE, tarfile.LNKTYPE, b"?")), NAMES),
    max_size=6,
)
MODES = st.sampled_from(("w", "w:gz", "w:xz"))
SIZE_LIMIT, ENTRY_LIMIT = 4000, 40


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "SIZE_LIMIT", SIZE_LIMIT)
    monkeypatch.setattr(unpacking, "ENTRY_LIMIT", ENTRY_LIMIT)


def check(content: bytes) -> None:
    """Unpacks it, and looks at all that is there then."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "inside"
        folder.mkdir()
        (folder / "secret").write_text("mine")
        try:
            made = os.path.realpath(unpacked(content, folder))
        except Failure as failure:
            assert failure.reason == "ProjectUpdateFailed"
            assert len(failure.message) < 500
            made = ""
        assert os.listdir(name) == ["inside"]
        assert set(os.listdir(folder)) <= {"secret", "made", *(() if made else ("made-top",))}
        assert (folder / "secret").read_text() == "mine"
        found = [Path(path, each) for path, folders, files in os.walk(folder) for each in folders + files]
        assert len(found) <= ENTRY_LIMIT + 3
        assert sum(path.lstat().st_size for path in found if path.is_file()) <= SIZE_LIMIT + (1 << 20)
        for path in found:
            real = os.path.realpath(path)
            assert not made or path.name == "secret" or real == made or real.startswith(made + os.sep)


@fuzz(150)
@given(members=MEMBERS, mode=MODES)
def test_tar(members: list[Member], mode: str) -> None:
    check(tar(*members, mode=mode))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@fuzz(150)
@given(members=MEMBERS)
def test_zip(members: list[Member]) -> None:
    check(zipped(*members))


@fuzz(200)
@given(content=MODES.map(lambda mode: tar(file("a", b"x" * 700), link("b", "a"), mode=mode)).flatmap(damaged))
def test_damaged_tar(content: bytes) -> None:
    check(content)


@fuzz(200)
@given(content=st.just(zipped(file("a", b"x" * 700), link("b", "a"))).flatmap(damaged))
def test_damaged_zip(content: bytes) -> None:
    check(content)
