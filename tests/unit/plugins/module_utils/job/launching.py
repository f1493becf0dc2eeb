# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launches as users write them: parameters go through the module's own argument spec first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.jobpods.controller.plugins.module_utils.job.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import Launch, read_launch


def validated(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of `container_group_job` after its argument spec, which must accept them."""
    checked = ArgumentSpecValidator(ARGUMENTS["container_group_job"]).validate(params)
    assert not checked.error_messages
    return dict(checked.validated_parameters)


def launched(folder: Path, *, check: bool = False, diff: bool = False, **params: Any) -> Launch:
    """The launch of `site.yml` in `folder/project` on localhost, but for what `params` say."""
    given = {"project": "project", "playbook": "site.yml", "inventory": "localhost,", **params}
    return read_launch(validated(given), folder, check=check, diff=diff)
