# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that job templates and workflow job templates have alike."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  allow_simultaneous:
    description: Let several jobs of the template run at once; else each waits for the one before.
    type: bool
  survey_enabled:
    description: Ask the questions of O(survey_spec); the answers are extra variables of the launch.
    type: bool
  survey_spec:
    description:
      - The questions, as AWX has them. C(spec) is a list of mappings with C(question_name), C(variable),
        C(type) (V(text), V(textarea), V(password), V(integer), V(float), V(multiplechoice) or
        V(multiselect)), C(required), C(default), C(min), C(max) and C(choices).
    type: dict
    aliases: [survey]
  ask_inventory_on_launch:
    description: Whoever launches the template may say the inventory.
    type: bool
    aliases: [ask_inventory]
  ask_limit_on_launch:
    description: Whoever launches the template may say the limit.
    type: bool
    aliases: [ask_limit]
  ask_scm_branch_on_launch:
    description: Whoever launches the template may say the branch of the project.
    type: bool
  ask_skip_tags_on_launch:
    description: Whoever launches the template may say the tags to skip.
    type: bool
    aliases: [ask_skip_tags]
  ask_tags_on_launch:
    description: Whoever launches the template may say the tags.
    type: bool
    aliases: [ask_tags]
  ask_variables_on_launch:
    description: Whoever launches the template may say the extra variables.
    type: bool
    aliases: [ask_extra_vars]
"""
