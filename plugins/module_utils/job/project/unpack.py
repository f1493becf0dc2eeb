# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks an archive that anybody may have made: nothing of it lands, or points, outside of its folder."""

from __future__ import annotations

import os
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any, Literal, cast

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, shortened

ENTRY_LIMIT = 200_000
"""Entries, and folders that have to be made for them: a path can be long."""
SIZE_LIMIT = 1 << 30
"""Bytes of all files: more could not be sent to a pod, either."""
PATH_LIMIT = 1024
LINK_LIMIT = 4096
PIECE = 1 << 20
HEADERS_LIMIT = 1 << 20
"""Bytes of all headers of one entry of a tar archive; names and attributes are in them, and in memory."""
GLOBAL_LIMIT = 64
"""Attributes that a tar archive gives to all of its entries, each of which gets a copy."""
DIRECTORY_LIMIT = 32 << 20
"""Bytes of the directory of a zip archive, which is in memory as a whole, and larger there."""
WORDS_LIMIT = 400
"""Characters of a message."""
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others are unpacked without a limit by the library: a few bytes of them may fill the memory."""

_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, struct.error, EOFError, OverflowError),
    *(RuntimeError, ValueError),  # encrypted or packed in an unknown way; names with NUL
)
"""What the libraries raise for archives that are damaged, or that they can't read."""


@dataclass(frozen=True)
class Entry:
    """One entry of an archive.

    Attributes:
        name: its path, as the archive has it.
        kind: `folder`, `file`, `link`, or what else it is called.
        executable: of a file.
        target: of a link.
        open: of a file: its content.
    """

    name: str
    kind: str
    executable: bool = False
    target: str = ""
    open: Callable[[], IO[bytes]] | None = None


def unpack(file: IO[bytes], folder: Path, go_on: Callable[[], None]) -> int:
    """Unpacks a tar archive of any compression, or a zip archive.

    Where all of it lies in one folder, as servers make it of a repository, that folder is left out.

    Args:
        file: the archive.
        folder: an empty folder.
        go_on: called again and again; raises where it shall not go on.

    Returns:
        How many files there were.

    Raises:
        Failure: `ProjectUpdateFailed`, where it is no archive, damaged, too much, or dangerous.
    """
    unpacker = _Unpacker(folder, go_on)
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(cast(IO[bytes], _Bounded(file, DIRECTORY_LIMIT, sys.maxsize))) as packed:
                unpacker.take(_zip_entries(packed))
        else:
            file.seek(0)
            with _TarFile.open(fileobj=file, mode="r:*") as packed:
                unpacker.take(_tar_entries(packed))
    except _BROKEN as exc:
        raise _refused(f"It can't be unpacked: {str(exc) or type(exc).__name__}.") from exc
    except OSError as exc:
        raise _refused(f"It can't be unpacked to {folder.parent}: {exc.strerror or exc}.") from exc
    return unpacker.files


class _Bounded:
    """An archive's file, of which only so much is read at once, or for one entry.

    Attributes:
        left: how many bytes may be read now.
    """

    def __init__(self, file: IO[bytes], most: int, left: int) -> None:
        self.left = left
        self._file = file
        self._most = most
        self.tell, self.seekable, self.close = file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        size = size if size >= 0 else self._most  # all of it, as the end of a zip archive is read
        self.left -= size
        if size > self._most or self.left < 0:
            raise _refused("What it says of an entry is too long, or its directory is.")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        # What is packed has to be unpacked to be skipped; we read all contents, so nothing else is as long.
        if whence == os.SEEK_SET and offset - self._file.tell() > SIZE_LIMIT + HEADERS_LIMIT:
            raise _refused(f"It has more than {SIZE_LIMIT >> 20} MiB that belong to no file.")
        return self._file.seek(offset, whence)


class _TarFile(tarfile.TarFile):
    """A tar archive whose headers can't fill the memory."""

    source: _Bounded
    members: list[tarfile.TarInfo]

    @classmethod
    def taropen(  # type: ignore[override]
        cls, name: str | None, mode: Literal["r"], fileobj: IO[bytes], **more: Any
    ) -> _TarFile:
        """Opens the archive, once it is known how it is compressed."""
        source = _Bounded(fileobj, PIECE, HEADERS_LIMIT)
        opened = cls(name, mode, cast(IO[bytes], source), **more)
        opened.source = source
        return opened

    def following(self) -> Iterator[tarfile.TarInfo]:
        """The entries, none of which is kept."""
        while True:
            self.source.left = HEADERS_LIMIT
            member = self.next()
            if member is None:
                return
            self.members.clear()
            member.pax_headers = {}
            if len(self.pax_headers) > GLOBAL_LIMIT:
                raise _refused(f"It gives more than {GLOBAL_LIMIT} attributes to all of its entries.")
            self.source.left = 2 * SIZE_LIMIT
            yield member


class _Unpacker:
    """Files and folders first, then links: so nothing is ever written through a link of the archive."""

    def __init__(self, folder: Path, go_on: Callable[[], None]) -> None:
        self.files = 0
        self._folder = folder
        self._go_on = go_on
        self._entries = 0
        self._size = 0
        self._links: dict[Path, Entry] = {}
        self._folders = {folder}

    def take(self, entries: Iterator[Entry]) -> None:
        for entry in entries:
            self._go_on()
            self._count(1)
            self._take(entry)
        for path, link in self._links.items():
            self._go_on()
            self._make_parent(path, link.name)
        for path, link in self._links.items():
            path.symlink_to(link.target)
        moved = self._strip()
        self._check_links(moved)

    def _count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > ENTRY_LIMIT:
            raise _refused(f"It has more than {ENTRY_LIMIT} entries.")

    def _take(self, entry: Entry) -> None:
        parts = _parts(entry.name)
        if not parts:
            return
        path = self._folder.joinpath(*parts)
        if entry.kind == "folder":
            self._make_parent(path / "any", entry.name)
        elif entry.kind == "file" and entry.open is not None:
            self._make_parent(path, entry.name)
            self._write(path, entry)
        elif entry.kind == "link":
            if not entry.target or len(entry.target) > LINK_LIMIT or os.path.isabs(entry.target):
                raise _refused(f"Its link {entry.name!r} points to {entry.target[:80]!r}.")
            if path.is_file():
                path.unlink()
            self._links[path] = entry
        else:
            raise _refused(f"Its entry {entry.name!r} is {entry.kind}; only files, folders and links may be.")

    def _make_parent(self, path: Path, name: str) -> None:
        missing = list(takewhile(lambda parent: parent not in self._folders, path.parents))
        self._count(len(missing))
        self._folders.update(missing)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as exc:
            raise _refused(f"Its entry {name!r} lies below one that is no folder.") from exc

    def _write(self, path: Path, entry: Entry) -> None:
        if path.is_dir():
            raise _refused(f"Its entry {entry.name!r} is a file and a folder.")
        self._links.pop(path, None)  # as tar does, a later entry replaces an earlier one
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        if entry.open is None:
            raise _refused(f"Its entry {entry.name!r} is a file without content.")
        with entry.open() as content, os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            while piece := content.read(PIECE):
                self._go_on()
                self._size += len(piece)
                if self._size > SIZE_LIMIT:
                    raise _refused(f"Its files have more than {SIZE_LIMIT >> 20} MiB.")
                file.write(piece)
        path.chmod(0o755 if entry.executable else 0o644)
        self.files += 1

    def _strip(self) -> Path | None:
        """Leaves out the one folder that all lies in, if there is one (AWX: project_archive); returns it."""
        entries = list(os.scandir(self._folder))
        if len(entries) != 1 or not entries[0].is_dir(follow_symlinks=False):
            return None
        # Beside it, since something in it may have its name.
        aside = self._folder.with_name(f"{self._folder.name}-top")
        os.rename(entries[0].path, aside)
        self._folder.rmdir()
        aside.rename(self._folder)
        return Path(entries[0].path)

    def _check_links(self, moved: Path | None) -> None:
        """Refuses links that lead out: also those that do so only by way of other links."""
        root = os.path.realpath(self._folder)
        for path, link in self._links.items():
            self._go_on()
            now = self._folder / path.relative_to(moved or self._folder)
            real = os.path.realpath(now)
            if real != root and not real.startswith(root + os.sep):
                raise _refused(f"Its link {link.name!r} points to {link.target!r}, out of the archive.")


def _parts(name: str) -> list[str]:
    """The parts of an entry's path."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or len(name) > PATH_LIMIT:
        raise _refused(f"Its entry {name[:120]!r} has a path that leads out of it, or is too long.")
    return parts


def _tar_entries(packed: _TarFile) -> Iterator[Entry]:
    files: dict[str, tarfile.TarInfo] = {}
    for member in packed.following():
        name = member.name
        if member.isdir():
            yield Entry(name, "folder")
        elif member.issym():
            yield Entry(name, "link", target=member.linkname)
        elif member.issparse():
            yield Entry(name, "a sparse file")  # its holes may be described at any length
        elif member.isreg() or member.islnk():
            # A hard link becomes a file of its own, and only of what came before it.
            content = files.get(member.linkname) if member.islnk() else member
            if content is None:
                raise _refused(f"Its entry {name!r} is a hard link to {member.linkname[:80]!r}, not in it.")
            files[name] = content
            yield Entry(
                name, "file", bool(content.mode & stat.S_IXUSR), open=partial(_content, packed, content)
            )
        else:
            yield Entry(name, "a device" if member.isdev() else f"of type {member.type!r}")


def _content(packed: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = packed.extractfile(member)
    if content is None:
        raise _refused(f"Its entry {member.name!r} has no content.")
    return content


def _zip_entries(packed: zipfile.ZipFile) -> Iterator[Entry]:
    for info in packed.infolist():
        if info.compress_type not in ZIP_METHODS:
            raise _refused(f"Its entry {info.filename!r} is packed by another method than deflate.")
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if info.filename.endswith("/"):  # is_dir() fails where there is no name
            yield Entry(info.filename, "folder")
        elif kind == stat.S_IFLNK:
            with packed.open(info) as content:
                target = content.read(LINK_LIMIT + 1).decode("utf-8", "surrogateescape")
            yield Entry(info.filename, "link", target=target)
        elif kind in (0, stat.S_IFREG):
            yield Entry(info.filename, "file", bool(mode & stat.S_IXUSR), open=partial(packed.open, info))
        else:
            yield Entry(info.filename, f"of type {kind:o}")


def _refused(words: str) -> Failure:
    return Failure(
        "ProjectUpdateFailed",
        f"The archive is refused. {shortened(words, WORDS_LIMIT)}",  # names of entries are in them
        hint="Give a .tar.gz, .tar.xz, .tgz or .zip file with the project in it.",
    )
