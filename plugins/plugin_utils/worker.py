# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that Ansible forks for each task, in which action plugins run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_INTERVAL = 1.0
"""Seconds between two looks at Ansible's main process."""


@contextmanager
def ended_with_the_main_process() -> Iterator[None]:
    """Ends this process at once where Ansible's main process ends before the block does.

    What a worker shows goes to the main process through a pipe of which the worker itself has both ends: with
    nobody left to read, it would wait for room in it for ever.
    """
    main, over = os.getppid(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_INTERVAL):
            if os.getppid() != main:
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
