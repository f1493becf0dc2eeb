# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a report is written to: as a whole or not at all, and only where it would change."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

_OCTAL = re.compile(r"0?o?[0-7]{3}")
ALL_PERMISSIONS = 0o777
BLOCK = 1 << 20


def permissions(mode: object) -> int:
    """The permissions that an option `mode` gives.

    Raises:
        Failure: `InvalidConfiguration`, where it gives none.
    """
    if isinstance(mode, str) and _OCTAL.fullmatch(mode):
        return int(mode[-3:], 8)
    # YAML itself reads 0600 as an octal number.
    if isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= ALL_PERMISSIONS:
        return mode
    raise Failure(
        "InvalidConfiguration", f"mode is {mode!r}; it must be an octal number in quotes, such as '0600'."
    )


class ReportFile:
    """A file for a report.

    Attributes:
        path: where it is.
        size: bytes of the report, once it is written.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self.size = 0
        self._mode = mode

    @classmethod
    def at(cls, folder: str, dest: str, job_id: int, mode: int) -> ReportFile:
        """The file that an option `dest` names.

        Args:
            folder: where a relative path begins.
            dest: a file, or a folder for a file with the job's number in its name.
            job_id: the job's number.
            mode: permissions of the file.

        Raises:
            Failure: `InvalidConfiguration`, where no file can be written there.
        """
        path = Path(os.path.abspath(os.path.join(folder, os.path.expanduser(dest))))
        if dest.endswith("/") or path.is_dir():
            path /= f"job-{job_id}.html"
        if not path.parent.is_dir():
            raise _refused(path, f"there is no folder {path.parent}")
        if path.exists() and not path.is_file():
            raise _refused(path, "it is there, and no file")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise _refused(path, f"the folder {path.parent} is not writable")
        return cls(path, mode)

    def write(self, pieces: Iterable[bytes], *, dry_run: bool) -> bool:
        """Writes the report, if that is not what the file has; returns whether something has changed.

        Args:
            pieces: of the report.
            dry_run: change nothing.

        Raises:
            Failure: `InvalidConfiguration`, where it can't be written.
        """
        try:
            return self._compared(pieces) if dry_run else self._written(pieces)
        except OSError as exc:
            raise _refused(self.path, str(exc.strerror)) from exc

    def _compared(self, pieces: Iterable[bytes]) -> bool:
        digest = sha256()
        for piece in pieces:
            self.size += len(piece)
            digest.update(piece)
        return not self._has(digest.digest()) or self._permissions() != self._mode

    def _written(self, pieces: Iterable[bytes]) -> bool:
        digest = sha256()
        descriptor, name = tempfile.mkstemp(prefix=".jobpods-", dir=self.path.parent)
        try:
            with open(descriptor, "wb") as file:
                for piece in pieces:
                    self.size += file.write(piece)
                    digest.update(piece)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), self._mode)
            if self._has(digest.digest()):
                os.unlink(name)
                changed = self._permissions() != self._mode
                self.path.chmod(self._mode)
                return changed
            os.replace(name, self.path)
            return True
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _has(self, expected: bytes) -> bool:
        """Whether the file has this content; a link is none, and will be replaced."""
        if self.path.is_symlink() or not self.path.exists():
            return False
        digest = sha256()
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.digest() == expected

    def _permissions(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)


def _refused(path: Path, why: str) -> Failure:
    return Failure("InvalidConfiguration", f"dest: {path} can't be written: {why}.")
