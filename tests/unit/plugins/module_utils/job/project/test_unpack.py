# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: what is in them, and what may not be."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project import unpack as unpacking
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.unpack import unpack
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    files,
)

Member = tuple[str, dict[str, Any]]


def file(name: str, content: bytes = b"", mode: int = 0o644) -> Member:
    return name, {"content": content, "mode": mode}


def link(name: str, target: str) -> Member:
    return name, {"type": tarfile.SYMTYPE, "linkname": target}


def other(name: str, kind: bytes, linkname: str = "") -> Member:
    return name, {"type": kind, "linkname": linkname}


def tar(*members: Member, mode: str = "w:gz") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as packed:  # type: ignore[call-overload]
        for name, fields in members:
            info = tarfile.TarInfo(name)
            content = fields.get("content", b"")
            info.type = fields.get("type", tarfile.REGTYPE)
            info.mode, info.linkname, info.size = (
                fields.get("mode", 0o755),
                fields.get("linkname", ""),
                len(content),
            )
            packed.addfile(info, io.BytesIO(content))
    return made.getvalue()


def zipped(*members: Member, system: int = 3) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, fields in members:
            info = zipfile.ZipInfo(name)
            info.create_system, info.compress_type = system, zipfile.ZIP_DEFLATED
            kind = stat.S_IFLNK if fields.get("type") == tarfile.SYMTYPE else stat.S_IFREG
            kind = stat.S_IFIFO if fields.get("type") == tarfile.FIFOTYPE else kind
            if system == 3:
                info.external_attr = (kind | fields.get("mode", 0o755)) << 16
            packed.writestr(info, fields.get("content", b"") or fields.get("linkname", ""))
    return made.getvalue()


def unpacked(content: bytes, folder: Path, go_on: Callable[[], None] = lambda: None) -> Path:
    made = folder / "made"
    made.mkdir()
    unpack(io.BytesIO(content), made, go_on)
    return made


def refused(content: bytes, folder: Path) -> str:
    """The end of the message with which an archive is refused; nothing of it is anywhere else."""
    before = files(folder)
    with pytest.raises(Failure) as caught:
        unpacked(content, folder)
    assert caught.value.reason == "ProjectUpdateFailed"
    outside = {name for name in files(folder) if not name.startswith(("made/", "made-top/"))}
    assert outside == before
    return caught.value.message.removeprefix("The archive is refused. ")


MEMBERS = (
    file("site.yml", b"play"),
    file("bin/run", b"#!", 0o4755),
    link("current", "bin/run"),
    link("bin/up", "../site.yml"),
    other("empty", tarfile.DIRTYPE),
)
EXPECTED = {"site.yml", "bin/run", "current", "bin/up"}


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "w"])
def test_a_tar_archive_of_any_compression(tmp_path: Path, mode: str) -> None:
    made = unpacked(tar(*MEMBERS, mode=mode), tmp_path)
    assert files(made) == EXPECTED
    assert (made / "site.yml").read_bytes() == b"play"
    assert (made / "empty").is_dir()
    assert os.readlink(made / "bin" / "up") == "../site.yml"
    assert (made / "bin" / "run").stat().st_mode & 0o7777 == 0o755
    assert (made / "site.yml").stat().st_mode & 0o7777 == 0o644


def test_a_zip_archive(tmp_path: Path) -> None:
    made = unpacked(zipped(*MEMBERS[:4], file("empty/")), tmp_path)
    assert files(made) == EXPECTED
    assert (made / "empty").is_dir()
    assert os.access(made / "bin" / "run", os.X_OK)
    assert os.readlink(made / "current") == "bin/run"


def test_a_zip_archive_of_a_system_without_modes(tmp_path: Path) -> None:
    made = unpacked(zipped(*MEMBERS[:2], system=0), tmp_path)
    assert files(made) == {"site.yml", "bin/run"}
    assert (made / "bin" / "run").stat().st_mode & 0o7777 == 0o644


def test_how_many_files_there_were_is_told(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    assert unpack(io.BytesIO(tar(*MEMBERS)), tmp_path / "made", lambda: None) == 2


@pytest.mark.parametrize("prefix", ["website-1.0/", "./website-1.0/", "site.yml/"])
def test_one_folder_around_all_is_left_out(tmp_path: Path, prefix: str) -> None:
    members = [(prefix + name, fields) for name, fields in MEMBERS]
    assert files(unpacked(tar(*members), tmp_path)) == EXPECTED


def test_one_file_or_link_around_all_is_none(tmp_path: Path) -> None:
    assert files(unpacked(tar(file("site.yml")), tmp_path)) == {"site.yml"}


def test_two_folders_stay(tmp_path: Path) -> None:
    assert files(unpacked(tar(file("a/x"), file("b/x")), tmp_path)) == {"a/x", "b/x"}


def test_a_hard_link_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    members = (file("a", b"same", 0o755), other("b", tarfile.LNKTYPE, "a"), other("c", tarfile.LNKTYPE, "b"))
    made = unpacked(tar(*members), tmp_path)
    assert [(made / name).read_bytes() for name in "abc"] == [b"same"] * 3
    assert [(made / name).stat().st_nlink for name in "abc"] == [1] * 3
    assert os.access(made / "c", os.X_OK)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param((file("a", b"1"), file("a", b"2")), id="file-by-file"),
        pytest.param((link("a", "b"), file("a", b"2")), id="link-by-file"),
        pytest.param((file("a", b"1"), link("a", "b")), id="file-by-link"),
        pytest.param((link("a", "x"), link("a", "b")), id="link-by-link"),
    ],
)
def test_a_later_entry_replaces_an_earlier_one(tmp_path: Path, members: tuple[Member, ...]) -> None:
    made = unpacked(tar(*members, file("b", b"2")), tmp_path)
    assert (made / "a").read_bytes() == b"2"


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
@pytest.mark.parametrize(
    ("members", "words"),
    [
        pytest.param([file("/etc/x")], "'/etc/x' has a path that leads out", id="absolute"),
        pytest.param([file("../x")], "'../x' has a path that leads out", id="parent"),
        pytest.param([file("a/../../x")], "'a/../../x' has a path that leads out", id="hidden-parent"),
        pytest.param([file("a/" * 600 + "x")], "has a path that leads out of it, or is too long", id="long"),
        pytest.param([link("x", "/etc/passwd")], "link 'x' points to '/etc/passwd'", id="absolute-link"),
        pytest.param([link("x", "../y"), file("z")], "link 'x' points to '../y', out of", id="link-out"),
        pytest.param([link("a/x", "../../y"), file("z")], "'a/x' points to '../../y'", id="deep-link-out"),
        pytest.param([link("a/x", ".."), file("a/z")], "'a/x' points to '..'", id="out-once-stripped"),
        pytest.param([link("x", "y"), link("y", "..")], "points to", id="link-by-link"),
        pytest.param(
            [link("d", "."), link("x", "d/../made-x"), file("z")],
            "'x' points to 'd/../made-x'",
            id="link-trick",
        ),
        pytest.param([link("a", "../out"), file("a/x")], "File exists", id="file-through-a-link"),
        pytest.param([link("a", "../out"), link("a/x", "y")], "File exists", id="link-through-a-link"),
        pytest.param([file("a"), file("a/x")], "lies below one that is no folder", id="file-below-a-file"),
        pytest.param([file("a/x"), file("a")], "'a' is a file and a folder", id="file-in-place-of-a-folder"),
        pytest.param([other("x", tarfile.FIFOTYPE)], "'x' is ", id="pipe"),
    ],
)
def test_what_is_dangerous_is_refused(
    tmp_path: Path, pack: Callable[..., bytes], members: list[Member], words: str
) -> None:
    assert words in refused(pack(*members), tmp_path)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        pytest.param([other("x", tarfile.CHRTYPE)], "'x' is a device", id="device"),
        pytest.param([other("x", b"?")], "'x' is of type b'?'", id="unknown"),
        pytest.param(
            [other("x", tarfile.LNKTYPE, "/etc/passwd")], "hard link to '/etc/passwd'", id="hard-link"
        ),
        pytest.param(
            [file("a/x"), other("y", tarfile.LNKTYPE, "../x")],
            "hard link to '../x', not in it",
            id="hard-link-out",
        ),
    ],
)
def test_what_only_tar_has_is_refused(tmp_path: Path, members: list[Member], words: str) -> None:
    assert words in refused(tar(*members), tmp_path)


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
def test_too_many_bytes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[..., bytes]
) -> None:
    monkeypatch.setattr(unpacking, "SIZE_LIMIT", 3 << 20)
    bomb = pack(file("a", bytes(2 << 20)), file("b", bytes(2 << 20)))
    assert len(bomb) < 20_000
    assert refused(bomb, tmp_path) == "Its files have more than 3 MiB."


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "ENTRY_LIMIT", 2)
    assert (
        refused(tar(*(other(name, tarfile.DIRTYPE) for name in "abc")), tmp_path)
        == "It has more than 2 entries."
    )


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
def test_folders_of_long_paths_are_entries_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[..., bytes]
) -> None:
    monkeypatch.setattr(unpacking, "ENTRY_LIMIT", 50)
    bomb = pack(*(file(f"{letter}/{'x/' * 10}y") for letter in "abcdefgh"))
    assert refused(bomb, tmp_path) == "It has more than 50 entries."
    assert sum(len(folders) for _path, folders, _files in os.walk(tmp_path)) <= 51


# --- what would fill the memory -----


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def attributes(count: int) -> bytes:
    """A header that gives attributes to all entries after it."""
    return tarfile.TarInfo.create_pax_global_header({f"key{number}": "x" for number in range(count)})


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 60)}


def sparse(described: bytes) -> bytes:
    """A file of which most is not in the archive; where the rest belongs is described at its beginning."""
    info = tarfile.TarInfo("holes")
    info.size, info.pax_headers = len(described), SPARSE
    return info.tobuf(tarfile.PAX_FORMAT) + described + bytes(-len(described) % 512)


LONG = 32 << 20
TOO_LONG = "What it says of an entry is too long, or its directory is."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(header("x", b"L", LONG) + bytes(LONG), TOO_LONG, id="name"),
        pytest.param(header("x", b"K", LONG) + bytes(LONG), TOO_LONG, id="target"),
        pytest.param(header("x", b"x", LONG) + bytes(LONG), TOO_LONG, id="attributes"),
        pytest.param(header("x", b"g", LONG) + bytes(LONG), TOO_LONG, id="global-attributes"),
        pytest.param(header("x", b"L", 1 << 60), TOO_LONG, id="name-that-is-not-there"),
        pytest.param(
            (header("x", b"L", 512) + bytes(512)) * 30_000,
            "",
            id="names-of-names",
        ),
        pytest.param(sparse(b"99999999\n" + b"0\n" * (LONG // 2)), TOO_LONG, id="holes"),
        pytest.param(sparse(b"1\n0\n1\n".ljust(512, b"\0") + b"x"), "'holes' is a sparse file", id="a-hole"),
        pytest.param(attributes(65), "more than 64 attributes to all of its entries", id="many-for-all"),
    ],
)
def test_headers_are_bounded(tmp_path: Path, content: bytes, words: str) -> None:
    bomb = gzip.compress(content + tar(file("site.yml"), mode="w"))
    assert words in refused(bomb, tmp_path)


def test_attributes_are_allowed(tmp_path: Path) -> None:
    """As `git archive` gives one to all entries, with the commit."""
    packed = gzip.compress(attributes(1) + tar(*MEMBERS, mode="w"))
    assert files(unpacked(packed, tmp_path)) == EXPECTED


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_zip_methods_without_a_limit_are_refused(tmp_path: Path, method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as packed:
        packed.writestr("x", bytes(LONG))
    assert "'x' is packed by another method than deflate" in refused(made.getvalue(), tmp_path)


def test_directory_of_a_zip_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "DIRECTORY_LIMIT", 10_000)
    packed = zipped(*(file("x" * 200 + str(number)) for number in range(100)))
    assert refused(packed, tmp_path) == TOO_LONG


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="page"),
        pytest.param(tar(*MEMBERS)[:100], id="cut-gzip"),
        pytest.param(tar(file("a", bytes(range(256)) * 99), mode="w")[:2000], id="cut-tar"),
        pytest.param(tar(*MEMBERS, mode="w:xz")[:60], id="cut-xz"),
        pytest.param(zipped(file("a", os.urandom(5000))).replace(b"\0\0\0\0", b"\1\1\1\1"), id="damaged-zip"),
        pytest.param(
            zipped(file("a", b"x" * 99))[:30] + b"x" * 20 + zipped(file("a", b"x" * 99))[50:], id="bad-zip"
        ),
    ],
)
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    assert "can't be unpacked" in refused(content, tmp_path)


def test_it_stops_where_it_is_told_to(tmp_path: Path) -> None:
    calls = 0

    def go_on() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Failure("Canceled", "Enough.")

    with pytest.raises(Failure, match="Enough"):
        unpacked(tar(*(file(name) for name in "abcdef")), tmp_path, go_on)
    assert len(files(tmp_path)) < 6
