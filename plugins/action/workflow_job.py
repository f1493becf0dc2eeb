# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launches a workflow from a play: adds the play's own inventory, where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.plugin_utils.current_inventory import (
    current_inventory,
    inventory_as_data,
)
from ansible_collections.jobpods.controller.plugins.plugin_utils.on_controller import OnController


class ActionModule(OnController):
    """Has the job launched, and shows it live."""

    def resolve(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Replaces `inventory: current` by the inventory of the calling play, and makes a mapping data."""
        inventory = params.get("inventory")
        if inventory == "current":
            return {**params, "inventory": current_inventory(task_vars["hostvars"], self._loader)}
        if isinstance(inventory, Mapping):
            return {**params, "inventory": inventory_as_data(inventory)}
        return params
