# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret of a launch is in what is told of its failure."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import (
    Credentials,
    MachineCredential,
    VaultCredential,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.redaction import HIDDEN, hide

KEY = "-----BEGIN KEY-----\nbase64oflineone\nbase64oflinetwo\n-----END KEY-----\n"


def test_secrets_are_hidden_wherever_they_are() -> None:
    failure = Failure(
        "PlaybookFailed",
        "It failed with hunter2 and hunter22.",
        details={"tasks": [{"msg": "hunter2", "host": "web"}], "count": 2},
        traceback="stderr: hunter22\nbase64oflinetwo",
    )
    hide(failure, ["hunter2", "hunter22", KEY])
    assert failure.message == f"It failed with {HIDDEN} and {HIDDEN}."
    assert failure.details == {"tasks": [{"msg": HIDDEN, "host": "web"}], "count": 2}
    assert failure.traceback == f"stderr: {HIDDEN}\n{HIDDEN}"


def test_what_is_too_short_or_no_secret_stays() -> None:
    failure = Failure("RunnerFailed", "a -----BEGIN KEY----- of abc")
    hide(failure, ["abc", "", KEY])
    assert failure.message == "a -----BEGIN KEY----- of abc"


def test_all_secrets_of_credentials_are_known() -> None:
    secrets = {"password": "p1", "ssh_key_data": "k", "ssh_key_unlock": "p2", "become_password": "p3"}
    machine = MachineCredential(username="me", **secrets)
    credentials = Credentials(machine, (VaultCredential("v1"), VaultCredential("v2", "id")))
    assert set(credentials.secrets) == {"p1", "p2", "p3", "k", "v1", "v2"}
