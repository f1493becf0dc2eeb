# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon a request is sent again."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy

POLICY = RetryPolicy(attempts=5, first_delay=1.0, longest_delay=3.0)


def test_delays_grow_to_the_longest_and_end() -> None:
    assert [POLICY.delay(sent) for sent in range(1, 6)] == [1.0, 2.0, 3.0, 3.0, None]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("2", 2.0), ("60", 3.0), ("0", 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), (None, 1.0)],
)
def test_retry_after_is_granted_up_to_the_longest(asked: str | None, expected: float) -> None:
    assert POLICY.delay(1, asked) == expected
