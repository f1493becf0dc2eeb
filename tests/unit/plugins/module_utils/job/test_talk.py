# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a cancelled run's output is waited for. The slow line is not real: it would take minutes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job import talk
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import SupervisedRun


class SlowLine:
    """A conversation by which some output arrives between any two looks, until there is no more."""

    def __init__(self, looks: int) -> None:
        self._looks, self._seen = looks, 0

    @property
    def arrived(self) -> int:
        """How much has arrived."""
        self._seen = min(self._seen + 1, self._looks)
        return self._seen


async def waited(monkeypatch: pytest.MonkeyPatch, looks: int, outage: float) -> int:
    """How often a run that never ends was waited for."""
    monkeypatch.setattr(talk, "KILL_LIMIT", 0.01)
    steps: list[str] = []
    run: Any = SimpleNamespace(
        _launch=SimpleNamespace(group=SimpleNamespace(cluster_outage_timeout=outage)),
        _progress=SimpleNamespace(step=lambda text, verbosity: steps.append(text)),
    )
    line: Any = SlowLine(looks)
    never: asyncio.Task[Any] = asyncio.create_task(asyncio.Event().wait())
    try:
        await SupervisedRun._await_rest(run, never, line, 0.01)
    finally:
        never.cancel()
    return len(steps)


async def test_rest_of_the_output_is_waited_for_while_some_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 3 < await waited(monkeypatch, 20, 600) < 20


async def test_rest_of_the_output_is_waited_for_no_longer_than_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await waited(monkeypatch, 1 << 30, 0.05) < 1000
