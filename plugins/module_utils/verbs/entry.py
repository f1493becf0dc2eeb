# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the job process, or with the argument `background` what waits for one behind an `async` task.

It is a script, so that it needs nothing but the path of this file.

The collection may lie anywhere that Ansible finds it, which Python alone would not; so this gives the package
`ansible_collections.jobpods.controller` the place that this file lies in.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

BACKGROUND = "background"
"""First argument; after it comes the file for the result."""
PACKAGES = ("ansible_collections", "ansible_collections.jobpods", "ansible_collections.jobpods.controller")


def install_collection(root: Path) -> None:
    """Makes the collection in `root` importable under its full name."""
    for name in PACKAGES:
        package = importlib.util.module_from_spec(ModuleSpec(name, None, is_package=True))
        package.__path__ = [str(root)] if name == PACKAGES[-1] else []
        sys.modules[name] = package


def main() -> int:
    """Runs what is asked for."""
    install_collection(Path(__file__).absolute().parents[3])
    if sys.argv[1:2] == [BACKGROUND]:
        from ansible_collections.jobpods.controller.plugins.module_utils.verbs import background

        return background.main(Path(sys.argv[2]))
    from ansible_collections.jobpods.controller.plugins.module_utils.verbs import process

    return process.main()


if __name__ == "__main__":
    sys.exit(main())  # pylint: disable=ansible-bad-function  # no module: a program of its own
