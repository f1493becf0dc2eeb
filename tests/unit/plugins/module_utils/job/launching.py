# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launches as users write them: parameters go through the module's own argument spec first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import Launch, read_launch
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated


def launched(folder: Path, *, check: bool = False, diff: bool = False, **params: Any) -> Launch:
    """The launch of `site.yml` in `folder/project` on localhost, but for what `params` say."""
    given = {"project": "project", "playbook": "site.yml", "inventory": "localhost,", **params}
    return read_launch(validated("container_group_job", given), folder, check=check, diff=diff)
