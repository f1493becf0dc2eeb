# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key, and what is sealed with it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox, read_key
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from cryptography.fernet import Fernet


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "secret.key"


@pytest.mark.parametrize("value", [{"a": [1, None, "ü"]}, {}, "text", "\ud800", None], ids=repr)
def test_opens_what_was_sealed(place: Path, value: object) -> None:
    sealed = read_key(place, create=True).seal(value)
    assert read_key(place, create=False).open(sealed) == value


def test_sealed_text_does_not_show_the_value(place: Path) -> None:
    assert "hunter2" not in read_key(place, create=True).seal({"password": "hunter2"})


def test_a_mark_is_the_key_s(place: Path) -> None:
    marks = {read_key(place, create=True).mark("text"), read_key(place, create=False).mark("text")}
    assert len(marks) == 1
    assert read_key(place, create=False).mark("another text") not in marks
    assert read_key(place.with_name("other.key"), create=True).mark("text") not in marks


def test_key_is_for_its_owner_only_and_nothing_is_left_beside_it(place: Path) -> None:
    read_key(place, create=True)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert list(place.parent.iterdir()) == [place]


def test_key_that_is_there_is_kept(place: Path) -> None:
    read_key(place, create=True)
    key = place.read_bytes()
    read_key(place, create=True)
    assert place.read_bytes() == key


def test_end_of_line_after_the_key_changes_nothing(place: Path) -> None:
    first = read_key(place, create=True)
    place.write_bytes(place.read_bytes() + b"\n")
    second = read_key(place, create=False)
    assert second.fingerprint == first.fingerprint
    assert second.open(first.seal("x")) == "x"


@pytest.mark.parametrize(
    "sealed", ["", "no token", "gAAAAAü", None], ids=["empty", "text", "no ASCII", "other key"]
)
def test_what_was_not_sealed_with_this_key_is_an_error(place: Path, sealed: str | None) -> None:
    if sealed is None:
        sealed = SecretBox(Fernet.generate_key(), place).seal({"password": "hunter2"})
    with pytest.raises(Failure, match="does not open") as caught:
        read_key(place, create=True).open(sealed)
    assert caught.value.reason == "InvalidConfiguration"
    assert str(place) in caught.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601], ids=oct)
def test_key_that_others_reach_is_refused(place: Path, mode: int) -> None:
    read_key(place, create=True)
    place.chmod(mode)
    with pytest.raises(Failure, match="chmod 600"):
        read_key(place, create=False)


@pytest.mark.parametrize(
    "content", [b"", b"half a key", Fernet.generate_key()[:20]], ids=["empty", "text", "half"]
)
def test_file_without_a_key_is_refused_and_not_replaced(place: Path, content: bytes) -> None:
    place.parent.mkdir()
    place.touch(mode=0o600)
    place.write_bytes(content)
    with pytest.raises(Failure, match="holds no key"):
        read_key(place, create=True)
    assert place.read_bytes() == content


def test_missing_key_is_not_made_anew(place: Path) -> None:
    with pytest.raises(Failure, match="is missing"):
        read_key(place, create=False)
    assert not place.exists()


def test_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="can't be"):
        read_key(tmp_path / "file" / "secret.key", create=True)


def test_key_that_is_a_folder(place: Path) -> None:
    place.mkdir(parents=True)
    with pytest.raises(Failure, match="can't be read"):
        read_key(place, create=True)
