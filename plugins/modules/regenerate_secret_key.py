#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: regenerate_secret_key
short_description: Change the secret key
version_added: 0.1.0
description:
  - Makes a new secret key and seals all secrets in the database with it, in one transaction, as
    C(awx-manage regenerate_secret_key) does in AWX.
  - O(secret_key_file) has the new key then. The former one is kept beside it, since backups of the database,
    and other databases with the same O(secret_key_file), still need it. Remove it when none of them does.
  - Where this is cut short, even by a loss of power, the database opens with one of the keys in the folder.
    Keep a backup of all files whose names begin with that of O(secret_key_file).
  - It refuses while jobs run whose processes have the key, and names them. A process that had the database
    open for something else stores no more secrets with the former key, but fails and says so.
  - Controllers that share a database each have a file with the key. Copy the new one to the others; until
    then they refuse to open the database.
  - A value that does not open with the key is an error that names it. Nothing is changed then.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Keys are not shown.
  idempotent:
    support: none
    details: Each call makes a new key.
seealso:
  - module: jobpods.controller.job_cancel
  - module: jobpods.controller.job_wait
"""

EXAMPLES = r"""
- name: Seal all secrets with a new key
  jobpods.controller.regenerate_secret_key:
  register: change

- name: Remove the former key, which nothing else needs
  ansible.builtin.file:
    path: "{{ change.former_secret_key_file }}"
    state: absent
"""

RETURN = r"""
secret_key_file:
  description: The file with the new key.
  returned: success
  type: str
  sample: /home/ann/.local/share/jobpods/secret.key
former_secret_key_file:
  description: The file that keeps the former key; in check mode, that would keep it.
  returned: success
  type: str
  sample: /home/ann/.local/share/jobpods/secret.key.5632c6f4c852a3f0
resealed:
  description: How many values were, or in check mode would be, sealed anew, by the tables of the database.
  returned: success
  type: dict
  sample:
    credentials: 3
    jobs: 12
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Change the secret key."""
    run_module(
        "regenerate_secret_key", AnsibleModule(ARGUMENTS["regenerate_secret_key"], supports_check_mode=True)
    )


if __name__ == "__main__":
    main()
