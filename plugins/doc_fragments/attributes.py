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
      - With a C(poll) above 0 the task runs as without C(async), and shows what it does. When the seconds of
        C(async) are over, it fails, and a job that it has launched is cancelled.
      - With C(poll=0) it goes on in the background. Its result lies on the controller node, so a task with
        M(ansible.builtin.async_status) needs C(delegate_to=localhost) and C(become=false).
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
