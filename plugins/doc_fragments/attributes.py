# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of every module in its `attributes`; each module adds its own `support`."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: The module is in this action group, so that C(module_defaults) can set its options.
    support: full
    membership:
      - jobpods.controller.controller
  async:
    description: Works with the task keyword C(async).
    support: full
    details:
      - Ansible keeps the task's options, secrets too, in a file until the task has ended; it lies below
        C(remote_tmp) in a folder that only the user may enter.
  check_mode:
    description: Can tell in check mode what it would do, without doing it.
  controller:
    description:
      - Runs on the controller node, as the user and in the Python of C(ansible-playbook), whatever the play's
        hosts, C(become) or C(ansible_python_interpreter) are.
    support: full
  diff_mode:
    description: Returns in diff mode what has changed or, in check mode, would change.
  idempotent:
    description: Run again with the same options, it changes nothing more.
"""
