# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the secrets of a launch out of what is told of its failure.

A failure repeats what others have said: the worker, the cluster, the playbook's last lines. The playbook's
own output stays as it is, as with AWX: `no_log` is for what it must not show.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

HIDDEN = "********"
SHORTEST = 4
"""Characters of the shortest secret that is hidden: hiding a shorter one would only garble the words."""


def hide(failure: Failure, secrets: Iterable[str]) -> None:
    """Takes secrets out of a failure; of those with several lines, like keys, each line counts."""
    lines = {line.strip() for secret in secrets for line in secret.splitlines()}
    known = {line for line in lines if len(line) >= SHORTEST and not line.startswith("-----")}
    ordered = sorted(known, key=len, reverse=True)  # one may be part of another
    failure.message = _hidden(failure.message, ordered)
    failure.traceback = _hidden(failure.traceback, ordered)
    failure.details = _hidden(failure.details, ordered)


def _hidden(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, dict):
        return {key: _hidden(item, secrets) for key, item in value.items()}
    return [_hidden(item, secrets) for item in value] if isinstance(value, list) else value
