# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and attributes that all stored objects have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description: The object's name, or its id.
    type: str
    required: true
  new_name:
    description: What the object shall be called from now on. Where it has that name already, nothing changes.
    type: str
  copy_from:
    description:
      - Name or id of an object of the same kind that a new one starts from, with its secrets. What other
        options say is changed in the copy. An object that is there is not copied over.
    type: str
  description:
    description: What the object is for.
    type: str
  state:
    description:
      - V(present) makes the object where it isn't there, and changes what the options say; options that are
        not given stay as they are, and an empty one (V("")) clears what it names.
      - V(absent) deletes it. What is in use by other objects, or by jobs that have not ended, is not deleted,
        and the message names its users.
    type: str
    default: present
    choices: [present, absent]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

    ORGANIZATION = r"""
options:
  organization:
    description:
      - Name or id of the organization that the object belongs to. Names need only be unique within one, so
        that with another organization, or with none (V("")), another object is meant.
      - Without this option, an object is found by its name alone, where only one has it.
    type: str
"""
