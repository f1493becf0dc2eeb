# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a pod prints reaches the terminal as a command."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("plain\ttext\nöß漢\n", "plain\ttext\nöß漢\n", id="text-stays"),
        pytest.param("\x1b[0;32mok\x1b[0m", "ok", id="colours"),
        pytest.param("a\x1b[2J\x1b[1;1Hb", "ab", id="clear-screen"),
        pytest.param("a\x1b]0;title\x07b", "ab", id="window-title"),
        pytest.param("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb", id="link"),
        pytest.param("a\x1bP1$r\x1b\\b", "ab", id="device-control"),
        pytest.param("a\x9b31mb", "a31mb", id="8-bit-control"),
        pytest.param("a\rb\x08c\x07\x00d", "abcd", id="control-characters"),
        pytest.param("a\r\nb", "a\nb", id="windows-line"),
        pytest.param("a\x1b", "a", id="cut-escape"),
        pytest.param("a\x1b[31", "a", id="cut-sequence"),
    ],
)
def test_only_text_is_left(sent: str, shown: str) -> None:
    assert plain_text(sent) == shown
