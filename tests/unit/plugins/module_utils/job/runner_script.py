# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a script that stands for ansible-runner: what it is to print."""

from __future__ import annotations

import json
from typing import Any


def say(**fields: Any) -> str:
    """Prints a line of JSON."""
    return f"print({json.dumps(fields)!r}, flush=True)\n"


def event(counter: int, name: str, stdout: str = "", **facts: Any) -> str:
    """Prints an event."""
    return say(uuid=f"u{counter}", counter=counter, event=name, stdout=stdout, event_data=facts)
