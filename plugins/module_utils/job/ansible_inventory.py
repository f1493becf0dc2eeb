# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-inventory on the controller node, in the Python of this process, and takes what it lists.

Secrets reach it through inherited files without names: vault passwords through pipes, what it reads in place
of a file of the user's through an unnamed file. Its listing comes back through a pipe of its own, so that
whatever plugins print can't be taken for it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    Listing,
    content_of,
    from_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_ranks import (
    is_settled,
    settled,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_words import sentence
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_process import (
    LimitReached,
    OnLine,
    Pipe,
    Program,
    run_program,
)

LISTING_LIMIT = 256 << 20
OUTPUT_LIMIT = 16 << 20
"""Bytes of an inventory, and of all else that may be printed while it is read."""
READ_LIMIT = 300.0
"""Seconds that reading an inventory may take where nobody says otherwise."""
TAIL_LINES = 200
"""Lines of output that are kept for the message where it fails."""
PASSWORD_LIMIT = 32 << 10
"""Bytes of a vault password: it has to fit into a pipe that nobody reads yet."""
START = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; sys.argv[0] = 'ansible-inventory';"
    " from ansible.cli.inventory import main; main()"
)
"""Without the current folder, where Python would find a project's yaml.py before the library."""
DEFAULT_COLLECTIONS = ("~/.ansible/collections", "/usr/share/ansible/collections")
FORCED = {
    # Else a broken inventory is an empty one.
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    "ANSIBLE_ASK_VAULT_PASS": "false",  # nobody is there to answer
    "ANSIBLE_INVENTORY_EXPORT": "false",
}


def nobody(line: str) -> None:
    """Where output goes that nobody looks at."""


@dataclass(frozen=True)
class Reading:
    """How inventories are read.

    Attributes:
        environment: all environment variables.
        folder: of the project, whose ansible.cfg counts, as in a job; "" for none.
        playbook_dir: whose group_vars, host_vars and collections count, too; "" for none.
        vaults: passwords for vaulted files.
        limit: a pattern for the hosts that are wanted; "" for all.
        verbosity: as many as Ansible's `-v`.
        seconds: that it may take.
        on_line: told each line that is printed.
        inherit: file descriptors that what is read refers to.
        out_of_time: the reason of a failure where it takes longer.
    """

    environment: Mapping[str, str] = field(repr=False)
    folder: str = ""
    playbook_dir: str = ""
    vaults: Sequence[VaultCredential] = ()
    limit: str = ""
    verbosity: int = 0
    seconds: float = READ_LIMIT
    on_line: OnLine = nobody
    inherit: Sequence[int] = ()
    out_of_time: str = "InventoryInvalid"


async def read_listing(path: str, reading: Reading, what: str) -> Listing:
    """What an inventory lists, so that each host has the same variables again where that is read.

    Args:
        path: of the inventory; a file or folder.
        reading: how to read it.
        what: what the user calls the inventory, for messages.

    Returns:
        The listing as of `ansible-inventory --list --export`; vaulted values stay vaulted.

    Raises:
        Failure: `InventoryInvalid`, with Ansible's own words, or the reason for when it takes too long.
    """
    end = time.monotonic() + reading.seconds
    exported = await list_once(path, reading, what)
    if is_settled(exported):
        return exported
    # What it prints is known by now.
    again = replace(reading, on_line=nobody, verbosity=0, seconds=max(1.0, end - time.monotonic()))
    wanted = await list_once(path, again, what, export=False)
    with unnamed(json.dumps(content_of(from_listing(exported)))) as descriptor:
        again = replace(
            again,
            environment={**reading.environment, "ANSIBLE_INVENTORY_ENABLED": "yaml"},
            inherit=(descriptor,),
            seconds=max(1.0, end - time.monotonic()),
        )
        got = await list_once(f"/dev/fd/{descriptor}", again, what, export=False)
    return settled(exported, wanted, got)


@contextmanager
def unnamed(text: str) -> Iterator[int]:
    """A file with a text, which has no name but that of its descriptor."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode("utf-8"))
        file.flush()
        yield file.fileno()


async def list_once(path: str, reading: Reading, what: str, *, export: bool = True) -> Listing:
    """What ansible-inventory lists in one run.

    Args:
        path: of the inventory.
        reading: how to read it.
        what: what the user calls the inventory, for messages.
        export: each group and host has its own variables only, else each host all of its.

    Raises:
        Failure: `InventoryInvalid`, with Ansible's own words, or the reason for when it takes too long.
    """
    listed = bytearray()
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def on_line(line: str) -> None:
        tail.append(plain_text(line))
        reading.on_line(line)

    with ExitStack() as stack:
        private = stack.enter_context(tempfile.TemporaryDirectory(prefix="jobpods-"))
        pipe = stack.enter_context(Pipe(LISTING_LIMIT, listed.extend))
        passwords = [stack.enter_context(_readable(vault.vault_password)) for vault in reading.vaults]
        command = [sys.executable, "-c", START, "--list", f"--inventory={path}"]
        command += [f"--output=/dev/fd/{pipe.writer}", *(["--export"] if export else [])]
        for vault, file in zip(reading.vaults, passwords, strict=True):
            command.append(f"--vault-id={vault.vault_id or 'default'}@/dev/fd/{file.fileno()}")
        if reading.playbook_dir:
            command.append(f"--playbook-dir={reading.playbook_dir}")
        if reading.limit:
            command.append(f"--limit={reading.limit}")
        program = Program(
            command,
            reading.folder or private,
            _environment(reading, Path(private)),
            (*(file.fileno() for file in passwords), *reading.inherit),
        )
        try:
            status = await run_program(
                program, on_line, seconds=reading.seconds, output_limit=OUTPUT_LIMIT, pipes=(pipe,)
            )
        except LimitReached as reached:
            raise _limited(reached, reading, what) from None
        except OSError as exc:
            raise Failure("InventoryInvalid", f"ansible-inventory can't be started: {exc.strerror}.") from exc
    if status != 0:
        raise _refused(status, "\n".join(tail), what)
    return _listing(bytes(listed), what)


def _readable(password: str) -> IO[bytes]:
    """The end of a pipe from which a password can be read, once."""
    text = password.encode("utf-8", "surrogateescape")
    if len(text) > PASSWORD_LIMIT:
        raise Failure("InvalidConfiguration", f"A vault password has more than {PASSWORD_LIMIT >> 10} KiB.")
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(text)
    return os.fdopen(reader, "rb")


def _environment(reading: Reading, private: Path) -> dict[str, str]:
    """The caller's, with what makes the result its own and not that of a terminal or of another folder."""
    environment = {
        **reading.environment,
        **FORCED,
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_VERBOSITY": str(reading.verbosity),
    }
    environment.pop("ANSIBLE_FORCE_COLOR", None)
    project = bool(reading.folder) and os.path.isfile(os.path.join(reading.folder, "ansible.cfg"))
    if not environment.get("ANSIBLE_CONFIG") and not project:
        # Else it would be the one in the user's home folder, which no job knows.
        paths = ":".join((*DEFAULT_COLLECTIONS, *_own_collections()))
        (private / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {paths}\n", encoding="utf-8")
        environment["ANSIBLE_CONFIG"] = str(private / "ansible.cfg")
    return environment


def _own_collections() -> list[str]:
    """Where this collection lies, hence perhaps others; nowhere in a bare checkout."""
    folders = [folder for folder in Path(__file__).parents if folder.name == "ansible_collections"]
    return [str(folders[0].parent)] if folders else []


def _limited(reached: LimitReached, reading: Reading, what: str) -> Failure:
    if reached.limit == "time":
        return Failure(
            reading.out_of_time,
            f"{what} was not read within {reading.seconds:g} s, and ansible-inventory was ended.",
        )
    return Failure(
        "InventoryInvalid",
        f"{what} can't be read: ansible-inventory wrote more than {OUTPUT_LIMIT >> 20} MiB of messages,"
        f" or more than {LISTING_LIMIT >> 20} MiB of hosts and variables.",
    )


def _refused(status: int, output: str, what: str) -> Failure:
    words = sentence(output)
    if not words:
        words = f"ansible-inventory was ended by signal {-status}" if status < 0 else "it gives no reason"
    hint = ""
    if "no vault secrets found" in words or "Decryption failed" in words:
        hint = "Give a vault credential with the password of the vaulted file."
    return Failure("InventoryInvalid", f"{what} can't be read: {words}.", hint=hint, traceback=output.strip())


def _listing(text: bytes, what: str) -> Listing:
    try:
        listing: Listing = json.loads(text)
    except ValueError as exc:
        raise Failure("InventoryInvalid", f"{what} can't be read: ansible-inventory listed no JSON.") from exc
    return listing
