# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private SSH keys as users give them."""

from __future__ import annotations

import base64
import binascii
import re

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*)PRIVATE KEY-----(?P<lines>.+)-----END (?P=kind)PRIVATE KEY-----",
    re.DOTALL,
)


def read_private_key(text: str, where: str, *, unlocked: bool) -> str:
    """A private key as ssh-add takes it.

    Args:
        text: PEM text.
        where: what the user calls it, for messages.
        unlocked: a passphrase is given, too.

    Raises:
        Failure: `InvalidConfiguration`, where it is none, or needs a passphrase; it shows nothing of the key.
    """
    key = text.replace("\r\n", "\n").strip() + "\n"
    match = _KEY.match(key)
    if match is None:
        raise _invalid(
            f"{where} is not a private key: it must begin with -----BEGIN ... PRIVATE KEY----- and end with"
            " -----END ... PRIVATE KEY-----."
        )
    if not match["lines"].startswith("\n"):
        raise _invalid(
            f"{where} is a private key whose line breaks are lost; in YAML, write it as a block with |."
        )
    locked = "ENCRYPTED" in match["kind"] or "Proc-Type: 4,ENCRYPTED" in key or _locked_openssh(key)
    if locked and not unlocked:
        raise _invalid(f"{where} is locked with a passphrase; give it as ssh_key_unlock.")
    return key


def _locked_openssh(key: str) -> bool:
    """Whether an OpenSSH key has a cipher (OpenSSH: PROTOCOL.key: magic, then the cipher's name)."""
    if "BEGIN OPENSSH" not in key:
        return False
    try:
        content = base64.b64decode("".join(key.splitlines()[1:-1]))
    except (binascii.Error, ValueError):
        return False
    return content.startswith(b"openssh-key-v1\0") and content[15:23] != b"\0\0\0\x04none"


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
