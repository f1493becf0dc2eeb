# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the programs in the roles' folders, which are on no import path, and makes those that they call."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

ROLES = Path(__file__).parents[3] / "roles"


def script(role: str, name: str) -> ModuleType:
    """A file of a role as a module; it finds its siblings as it does when it runs."""
    folder = str(ROLES / role / "files")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def make_program(path: Path, *lines: str) -> Path:
    """Makes a shell program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path
