# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that every module takes: where the store lies."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - The database that jobs and stored objects are kept in, as an SQLAlchemy URL, for example
        C(sqlite:////var/lib/jobpods/jobpods.db) or C(postgresql+psycopg://jobpods@db.example.com/jobpods).
      - Several controllers can share a database on PostgreSQL; they need the same secret key.
      - Relative paths in this and the other options start at the playbook's folder, those in environment
        variables at the folder in which C(ansible-playbook) was started.
      - Without it, the environment variable E(JOBPODS_DATABASE_URL) counts, else it is the SQLite file
        C(jobpods.db) in O(data_dir).
    type: str
  secret_key_file:
    description:
      - The file with the key that secrets in the database are sealed with. It is made on first use, readable
        by its owner only; without it the sealed secrets are lost. M(jobpods.controller.regenerate_secret_key)
        makes a new one.
      - Without this option, the environment variable E(JOBPODS_SECRET_KEY_FILE) counts, else it is
        C(secret.key) in O(data_dir).
    type: path
  data_dir:
    description:
      - The folder for all that is kept of jobs outside of the database.
      - Without it, the environment variable E(JOBPODS_DATA_DIR) counts, else it is the SQLite file's folder,
        else C(jobpods) in the user's data folder (E(XDG_DATA_HOME), or C(~/.local/share)).
    type: path
requirements:
  - aiohttp >= 3.9
  - alembic >= 1.13
  - cryptography >= 41
  - PyYAML >= 6.0
  - SQLAlchemy >= 2.0
  - psycopg[binary] >= 3.1 (only for a database on PostgreSQL)
  - kubernetes >= 28.1 (only for kubeconfig users whose credentials come from a program)
author:
  - the jobpods developers (@jobpods)
"""
