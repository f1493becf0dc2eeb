# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every module takes: where the store lies."""

from __future__ import annotations

from typing import Any

STORE: dict[str, Any] = {
    "database_url": {"type": "str", "no_log": True},
    "secret_key_file": {"type": "path", "no_log": False},
    "data_dir": {"type": "path"},
}
