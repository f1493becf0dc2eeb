# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the report of a job."""

from __future__ import annotations

from ansible_collections.jobpods.controller.plugins.plugin_utils.on_controller import OnController


class ActionModule(OnController):
    """Has the verb done on the controller."""
