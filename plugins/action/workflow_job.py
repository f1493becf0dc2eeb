# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launches a workflow from a play."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.plugin_utils.current_inventory import with_inventory
from ansible_collections.jobpods.controller.plugins.plugin_utils.on_controller import OnController


class ActionModule(OnController):
    """Has the job launched, and shows it live."""

    def resolve(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Adds the play's own inventory, where it is asked for."""
        return with_inventory(params, task_vars, self._loader)
