# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines as ansible-runner's worker writes them."""

from __future__ import annotations

import json
from typing import Any


def line(**fields: Any) -> bytes:
    """A line with these fields."""
    return json.dumps(fields).encode() + b"\n"


def event(counter: int, name: str, stdout: str = "", **facts: Any) -> bytes:
    """A job event with these facts as its `event_data`."""
    return line(uuid=f"u{counter}", counter=counter, event=name, stdout=stdout, event_data=facts)
