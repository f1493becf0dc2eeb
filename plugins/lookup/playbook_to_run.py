# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: playbook_to_run
short_description: What the playbook jobpods.controller.run imports
version_added: 0.1.0
description:
  - Looks at the command line of C(ansible-playbook) before anything is run, and refuses what a playbook in a
    pod can't do.
  - With C(--syntax-check), C(--list-hosts), C(--list-tasks) or C(--list-tags) it gives the user's own
    playbook, which Ansible then looks at here, without a pod.
  - It is for the playbook C(jobpods.controller.run) only.
options:
  _terms:
    description: The playbook that runs the user's in a pod.
    type: list
    elements: str
    required: true
seealso:
  - module: jobpods.controller.run
"""

EXAMPLES = r"""
- name: Run the playbook of the command line in a pod, or look at it here
  ansible.builtin.import_playbook: >-
    {{ lookup('jobpods.controller.playbook_to_run', 'jobpods.controller.run_in_pod') }}
"""

RETURN = r"""
_raw:
  description: The playbook to import.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.plugin_utils.command_line import (
    check,
    find_playbook,
    only_looks,
    playbook_here,
)

NOT_FOUND = 1
"""Ansible's own exit status for a playbook that is not there."""
WRONG_OPTION = 5
"""The same for wrong options."""


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core has no types
    """Chooses what is imported."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Gives one playbook.

        Raises:
            SystemExit: the command line can't be followed; what is wrong has been shown. No exception of
                Ansible's, since that would be told as a fault of the playbook that has the lookup.
        """
        given = load_extra_vars(self._loader)
        playbook, project = (str(given.get(name) or "") for name in ("playbook", "project"))
        try:
            if only_looks(context.CLIARGS) and not playbook:
                return terms  # linters do that, with every playbook there is
            if only_looks(context.CLIARGS):
                return [str(playbook_here(playbook, project, Path.cwd()))]
            check(context.CLIARGS)
            find_playbook(playbook, project, Path.cwd(), Path.home())
        except Failure as failure:
            Display().error(failure.message, wrap_text=False)
            raise SystemExit(NOT_FOUND if failure.reason == "PlaybookNotFound" else WRONG_OPTION) from failure
        return terms
