# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets at rest: sealed with Fernet, by a key in a file that only its owner can read."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
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
        self.fingerprint = hashlib.sha256(b"jobpods secret key " + key.strip()).hexdigest()[:16]
        self.used = False
        self.place = place

    def seal(self, value: Any) -> str:
        """The sealed form of a JSON value."""
        self.used = True
        return self._fernet.encrypt(json.dumps(value).encode("ascii")).decode("ascii")

    def open(self, sealed: str) -> Any:
        """The value that was sealed.

        Raises:
            Failure: `InvalidConfiguration`, where it was sealed with another key.
        """
        try:
            return json.loads(self._fernet.decrypt(sealed.encode("utf-8", "replace")))
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
        _create_key(place)
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
    return SecretBox(key, place)


def _create_key(place: Path) -> None:
    """Writes a key whole or not at all: under another name first, and linked only where there is none yet."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".secret-") as file:  # mode 0600
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(file.name, place)
            except FileExistsError:
                return  # another process was quicker: its key counts
    except OSError as exc:
        raise _invalid(f"secret_key_file {place} can't be created: {exc.strerror}.") from exc


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
