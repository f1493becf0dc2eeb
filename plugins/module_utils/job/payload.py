# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is sent to run: ansible-runner's streaming format, straight from the project and from memory.

The format is that of `ansible-runner transmit` (2.x): a line of arguments, a line with the length of a zip
archive, the archive in base64, and an end mark. Nothing is copied to a folder first, and no secret lies in a
file with a name.
"""

from __future__ import annotations

import errno
import hashlib
import heapq
import itertools
import json
import os
import re
import shlex
import stat
import tempfile
import threading
import time
import zipfile
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import Credentials
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import InventorySource, Launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.required_paths import required_paths

PAYLOAD_LIMIT = 1 << 30
"""Bytes of files in the project and the inventory."""
LEFT_OUT = frozenset((".git",))
"""Of the project's top folder: playbooks don't need the history, and it is often the larger part."""
INVENTORY_FOLDERS = ("group_vars", "host_vars")
"""Beside an inventory file, which Ansible reads with it."""
COMPRESSION_LEVEL = 1
NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
UNSAFE = "__ansible_unsafe"
"""Ansible's mark in JSON for a text that is no template, whatever stands in it."""
TEMPLATE = re.compile(r"\{[{%#]")
CHUNK = 3 << 16
"""Bytes that are encoded at once: a multiple of 3, so that base64 has no padding between."""


@dataclass(frozen=True)
class Payload:
    """A payload, ready to be sent.

    Attributes:
        file: with its content; it has no name, and is gone when it is closed.
        length: in bytes.
        sha256: of the content, in hexadecimal.
    """

    file: IO[bytes]
    length: int
    sha256: str


class Unwanted(Exception):
    """Nobody wants the payload any more."""


def build_payload(
    launch: Launch, ident: str, limit: int = PAYLOAD_LIMIT, unwanted: threading.Event | None = None
) -> Payload:
    """Builds the payload of a launch.

    Args:
        launch: what to run.
        ident: names the run inside the pod.
        limit: bytes of files that may be in it.
        unwanted: set by another thread when nobody wants the payload any more.

    Raises:
        Failure: `PayloadTooLarge`, `ProjectNotFound` or `InventoryInvalid`, where files are too much or
            unreadable.
        Unwanted: `unwanted` was set meanwhile.
    """
    unwanted = unwanted or threading.Event()
    with tempfile.TemporaryFile() as content:
        try:
            with zipfile.ZipFile(
                _Wanted(content, unwanted),
                "w",
                zipfile.ZIP_DEFLATED,
                compresslevel=COMPRESSION_LEVEL,
                strict_timestamps=False,
            ) as packed:
                archive = _Archive(packed, limit)
                if launch.project:  # it may be a link to its latest release
                    folder = Path(launch.project).resolve()
                    archive.add_folder(folder, "project", "ProjectNotFound", LEFT_OUT)
                inventory = _add_inventory(archive, launch.inventory)
                if launch.extra_vars:
                    # A file, since ansible-runner would put them into its command line, for all to see.
                    extra_vars = launch.extra_vars
                    if not launch.extra_vars_are_templates:
                        extra_vars = as_data(extra_vars)
                    archive.add_text("env/extravars", json.dumps(extra_vars))
            head = json.dumps({"kwargs": runner_arguments(launch, ident, inventory)}).encode("ascii") + b"\n"
            return _written(itertools.chain((head,), _encoded(content)), unwanted)
        except OSError as exc:
            raise Failure(
                "PayloadTooLarge", f"The payload can't be written to {tempfile.gettempdir()}: {exc.strerror}."
            ) from exc


def _written(pieces: Iterable[bytes], unwanted: threading.Event) -> Payload:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the payload's owner closes it
    try:
        digest, length = hashlib.sha256(), 0
        wanted = _Wanted(file, unwanted)
        for piece in pieces:
            wanted.write(piece)
            digest.update(piece)
            length += len(piece)
        file.flush()
    except BaseException:
        file.close()
        raise
    return Payload(file, length, digest.hexdigest())


def _encoded(content: IO[bytes]) -> Iterator[bytes]:
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    yield json.dumps({"zipfile": size}).encode("ascii") + b"\n"
    while piece := content.read(CHUNK):
        yield b64encode(piece)
    yield b'{"eof": true}\n'


# --- files -----


class _Wanted:
    """A file that can be written as long as somebody wants its content."""

    def __init__(self, file: IO[bytes], unwanted: threading.Event) -> None:
        self._unwanted = unwanted
        self._write = file.write
        self.seek, self.tell, self.flush, self.close = file.seek, file.tell, file.flush, file.close

    def write(self, piece: bytes) -> int:
        if self._unwanted.is_set():
            raise Unwanted
        return self._write(piece)


class _Archive:
    """A zip archive as ansible-runner unpacks it: with modes, and links as links."""

    def __init__(self, packed: zipfile.ZipFile, limit: int) -> None:
        self._zip = packed
        self._limit = limit
        self._size = 0
        self._largest: list[tuple[int, str]] = []

    def add_text(self, name: str, text: str) -> None:
        info = zipfile.ZipInfo(name, time.localtime()[:6])
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        self._zip.writestr(info, text, zipfile.ZIP_DEFLATED)

    def add_folder(
        self, folder: Path, name: str, reason: str, left_out: frozenset[str] = frozenset()
    ) -> None:
        def refuse(error: OSError) -> None:
            raise _unreadable(reason, error.filename, error)

        self.add_entry(folder, name, reason)
        for path, folders, files in os.walk(folder, onerror=refuse):
            if path == str(folder):
                folders[:] = [entry for entry in folders if entry not in left_out]
            folders.sort()
            for entry in sorted(files + folders):
                inner = os.path.join(path, entry)
                self.add_entry(Path(inner), f"{name}/{os.path.relpath(inner, folder)}", reason)

    def add_entry(self, path: Path, name: str, reason: str) -> None:
        try:
            _check_utf8(reason, name, f"The file name {name!r}")
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(path)
                _check_utf8(reason, target, f"The link {name!r} points to {target!r}, which")
                self._add_link(name, target)
            elif stat.S_ISDIR(status.st_mode):
                self._add_folder(path, name)
            elif stat.S_ISREG(status.st_mode):
                self._count(status.st_size, name)
                self._zip.write(path, name)
            # Sockets, pipes and devices can't be sent, and no playbook reads them from its project.
        except OSError as exc:
            if exc.errno in NO_ROOM:
                raise  # it is our own file that can't be written
            raise _unreadable(reason, path, exc) from exc

    def _add_folder(self, path: Path, name: str) -> None:
        info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
        info.external_attr |= stat.S_IRWXU << 16  # else no other user than root could unpack what is in it
        self._zip.writestr(info, b"")

    def _add_link(self, name: str, target: str) -> None:
        info = zipfile.ZipInfo(name, time.localtime()[:6])
        info.create_system = 3  # Unix, so that the mode below counts
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        self._zip.writestr(info, target)

    def _count(self, size: int, name: str) -> None:
        self._size += size
        heapq.heappush(self._largest, (size, name))
        if len(self._largest) > 3:
            heapq.heappop(self._largest)
        if self._size > self._limit:
            largest = ", ".join(
                f"{path} ({count >> 20} MiB)" for count, path in sorted(self._largest, reverse=True)
            )
            raise Failure(
                "PayloadTooLarge",
                f"The project and the inventory have more than {self._limit >> 20} MiB of files;"
                f" so far the largest are {largest}.",
            )


def _check_utf8(reason: str, text: str, what: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeError as exc:
        raise Failure(reason, f"{what} is not UTF-8, so it can't be sent to the pod.") from exc


def _unreadable(reason: str, path: object, error: OSError) -> Failure:
    return Failure(reason, f"{path} can't be read: {error.strerror}.")


def _add_inventory(archive: _Archive, inventory: InventorySource) -> str:
    """Adds the inventory; returns its path in the private data dir."""
    if inventory.kind == "content":
        archive.add_text("inventory/hosts.yml", json.dumps(inventory.content, indent=1))  # JSON is YAML
        return "inventory/hosts.yml"
    path = Path(inventory.path)
    if inventory.kind == "folder":
        archive.add_folder(path.resolve(), "inventory", "InventoryInvalid")
        return "inventory"
    archive.add_entry(path.resolve(), f"inventory/{path.name}", "InventoryInvalid")
    for name in INVENTORY_FOLDERS:
        if (path.parent / name).is_dir():
            archive.add_folder((path.parent / name).resolve(), f"inventory/{name}", "InventoryInvalid")
    return f"inventory/{path.name}"


def as_data(value: Any) -> Any:
    """`value` for Ansible's JSON, with every text in it marked that looks like a template.

    Extra variables of a launch are data, as in AWX (its setting ALLOW_JINJA_IN_EXTRA_VARS): what they were
    made of may come from a managed host.
    """
    if isinstance(value, dict):
        return {key: as_data(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_data(inner) for inner in value]
    return {UNSAFE: value} if isinstance(value, str) and TEMPLATE.search(value) else value


# --- arguments -----


def runner_arguments(launch: Launch, ident: str, inventory: str) -> dict[str, Any]:
    """The keyword arguments of `ansible_runner.run` for a launch.

    Args:
        launch: what to run.
        ident: names the run.
        inventory: its path in the private data dir.
    """
    arguments: dict[str, Any] = {
        "ident": ident,
        "playbook": launch.playbook,
        "module": launch.module_name,
        "host_pattern": "all" if launch.module_name else "",
        "inventory": inventory,
        "envvars": {**ENVIRONMENT, **(required_paths(Path(launch.project)) if launch.project else {})},
        "settings": {"suppress_output_file": True},  # the events have it all
        "passwords": prompts(launch.credentials),
        "ssh_key": launch.credentials.machine.ssh_key_data,
        "cmdline": shlex.join(command_line(launch)),
        "forks": launch.forks,
        "verbosity": launch.verbosity,
    }
    return {name: value for name, value in arguments.items() if value}


ENVIRONMENT = {
    "ANSIBLE_FORCE_COLOR": "True",  # kept with the events; the terminal gets colours of its own
    "ANSIBLE_HOST_KEY_CHECKING": "False",  # as AWX: a new pod knows no host
    # Else a broken inventory is an empty one, and the job a success.
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
}


def command_line(launch: Launch) -> list[str]:
    """Options that ansible-runner has no argument for, or none that takes any value."""
    machine = launch.credentials.machine
    tags, skip_tags = ",".join(launch.tags), ",".join(launch.skip_tags)
    # With `=`, since a value may begin with a dash.
    given = {
        f"--limit={launch.limit}": launch.limit,
        f"--args={launch.module_args}": launch.module_args,
        f"--tags={tags}": tags,
        f"--skip-tags={skip_tags}": skip_tags,
        f"--user={machine.username}": machine.username,
        "--ask-pass": machine.password,
        "--become": launch.become_enabled,
        f"--become-method={machine.become_method}": machine.become_method,
        f"--become-user={machine.become_username}": machine.become_username,
        "--ask-become-pass": machine.become_password,
        "--check": launch.check,
        "--diff": launch.diff,
        f"--start-at-task={launch.start_at_task}": launch.start_at_task,
    }
    options = [option for option, value in given.items() if value]
    for vault in launch.credentials.vaults:
        options.append(f"--vault-id={vault.vault_id}@prompt" if vault.vault_id else "--ask-vault-pass")
    return options


def prompts(credentials: Credentials) -> dict[str, str]:
    """Answers to what ssh-add and ansible-playbook ask for, by regular expressions for the questions."""
    machine = credentials.machine
    answers: dict[str, str] = {}
    if machine.ssh_key_unlock:
        answers[r"Enter passphrase for .*:\s*?$"] = machine.ssh_key_unlock
        answers[r"Bad passphrase, try again for .*:\s*?$"] = (
            ""  # ssh-add gives up, else it would wait for ever
        )
    if machine.password:
        answers[r"SSH password:\s*?$"] = machine.password
    if machine.become_password:
        answers[r"BECOME password.*:\s*?$"] = machine.become_password
    for vault in credentials.vaults:
        name = f" ({vault.vault_id})" if vault.vault_id else ""
        answers[rf"Vault password{re.escape(name)}:\s*?$"] = vault.vault_password
    return answers
