# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the benchmarks, and writes their pages: see `--help`."""

from __future__ import annotations

import sys

from ansible_collections.jobpods.controller.tests.benchmarks.run import main

sys.exit(main())
