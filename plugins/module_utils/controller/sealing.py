# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets at rest: sealed with Fernet, by a key in a file that only its owner can read."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from cryptography.fernet import Fernet, InvalidToken


class SecretBox:
    """Seals and opens values.

    Attributes:
        fingerprint: tells keys apart without telling the key.
        place: the key's file.
        used: it has sealed something since the database last took something; see `Database.tie`.
    """

    def __init__(self, key: bytes, place: Path) -> None:
        """Takes a key.

        Raises:
            Failure: `InvalidConfiguration`, where it is none.
        """
        try:
            self._fernet = Fernet(key)
        except ValueError as exc:
            raise _invalid(
                f"secret_key_file {place} holds no key; restore it, or remove it if it is new."
            ) from exc
        self._mark_key = hashlib.sha256(b"jobpods mark key " + key.strip()).digest()
        self.fingerprint = hashlib.sha256(b"jobpods secret key " + key.strip()).hexdigest()[:16]
        self.used = False
        self.place = place

    def mark(self, text: str) -> str:
        """What only who has the key can tell of a text: to know again what lies where others can write."""
        return hmac.new(self._mark_key, text.encode(), hashlib.sha256).hexdigest()

    def seal(self, value: Any) -> str:
        """The sealed form of a JSON value."""
        self.used = True
        return self._fernet.encrypt(json.dumps(value).encode("ascii")).decode("ascii")

    def open(self, sealed: str) -> Any:
        """The value that was sealed.

        Raises:
            Failure: `InvalidConfiguration`, where it was sealed with another key.
        """
        return json.loads(self._opened(sealed))

    def resealed(self, sealed: str, other: SecretBox) -> str:
        """The form that a value sealed with this key has with another one.

        Raises:
            Failure: `InvalidConfiguration`, where it was not sealed with this key.
        """
        return other._fernet.encrypt(self._opened(sealed)).decode("ascii")

    def _opened(self, sealed: str) -> bytes:
        try:
            return self._fernet.decrypt(sealed.encode("utf-8", "replace"))
        except InvalidToken as exc:
            raise _invalid(f"The key in secret_key_file {self.place} does not open what is stored.") from exc


def read_key(place: Path, *, create: bool) -> SecretBox:
    """The box with the key of a file.

    Args:
        place: the file.
        create: make one where there is none; of many processes that do at once, all get the same.

    Raises:
        Failure: `InvalidConfiguration`, where the file is missing, unreadable, or readable by others.
    """
    if create and not place.exists():
        write_key(place, new_key())
    return SecretBox(_read(place), place)


def new_key() -> bytes:
    """A key that nobody has yet."""
    return Fernet.generate_key()


def keep_key(place: Path, beside: Path) -> None:
    """Copies the key of a file to another one, unless that is there."""
    if not beside.exists():
        write_key(beside, _read(place))


def write_key(place: Path, key: bytes, *, replace: bool = False) -> None:
    """Writes a key whole or not at all, for good: under another name first.

    Args:
        place: the file.
        key: what to write.
        replace: also where the file is there; else that one stays.

    Raises:
        Failure: `InvalidConfiguration`, where it can't be written.
    """
    place = Path(os.path.realpath(place))
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=".secret-")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                os.replace(name, place)
            else:
                with suppress(FileExistsError):  # another process was quicker: its key counts
                    os.link(name, place)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
        _sync_folder(place.parent)
    except OSError as exc:
        raise _invalid(f"secret_key_file {place} can't be written: {exc.strerror}.") from exc


def _read(place: Path) -> bytes:
    try:
        with place.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(1024)
    except FileNotFoundError as exc:
        raise _invalid(
            f"secret_key_file {place} is missing, but secrets in the store are sealed with it; restore it."
        ) from exc
    except OSError as exc:
        raise _invalid(f"secret_key_file {place} can't be read: {exc.strerror}.") from exc
    if mode & 0o077:
        raise _invalid(f"secret_key_file {place} can be read by others; run: chmod 600 {place}")
    return key


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
