# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules that look after the store."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JOB_TYPES
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE

CLEANUP_JOBS: dict[str, Any] = {
    "days": {"type": "int", "default": 90},
    "job_types": {
        "type": "list",
        "elements": "str",
        "default": list(JOB_TYPES),
        "choices": list(JOB_TYPES),
    },
    **STORE,
}

MAINTENANCE_ARGUMENTS: dict[str, dict[str, Any]] = {
    "cleanup_jobs": CLEANUP_JOBS,
    "regenerate_secret_key": STORE,
}
