# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of plugins that read the store: where it lies."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - The database with the store, as an SQLAlchemy URL, for example C(sqlite:////var/lib/jobpods/jobpods.db).
      - Without it, it is the SQLite file C(jobpods.db) in O(data_dir).
    type: str
    env:
      - name: JOBPODS_DATABASE_URL
  secret_key_file:
    description:
      - The file with the key that secrets in the database are sealed with.
      - Without it, it is C(secret.key) in O(data_dir).
    type: path
    env:
      - name: JOBPODS_SECRET_KEY_FILE
  data_dir:
    description:
      - The folder for all that is kept of jobs outside of the database.
      - Without it, it is the SQLite file's folder, else C(jobpods) in the user's data folder
        (E(XDG_DATA_HOME), or C(~/.local/share)).
    type: path
    env:
      - name: JOBPODS_DATA_DIR
notes:
  - The store is read in the process of Ansible itself, on the controller. It is never made by reading it.
requirements:
  - cryptography >= 41
  - PyYAML >= 6.0
  - SQLAlchemy >= 2.0
author:
  - the jobpods developers (@jobpods)
"""
