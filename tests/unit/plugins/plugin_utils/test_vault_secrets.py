# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vault passwords of this process of Ansible, wherever its version keeps them."""

from __future__ import annotations

import pytest
from ansible.parsing import vault
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential
from ansible_collections.jobpods.controller.plugins.plugin_utils.vault_secrets import vault_credentials

SECRETS = [("default", VaultSecret(b"first")), ("prod", VaultSecret(b"second \xff"))]


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        pytest.param([], (), id="none"),
        pytest.param(
            SECRETS,
            (VaultCredential("first", "default"), VaultCredential("second \udcff", "prod")),
            id="of several ids, also what is no UTF-8",
        ),
    ],
)
def test_passwords(
    monkeypatch: pytest.MonkeyPatch,
    secrets: list[tuple[str, VaultSecret]],
    expected: tuple[VaultCredential, ...],
) -> None:
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    context = getattr(vault, "VaultSecretsContext", None)  # since ansible-core 2.19; before, it is the loader
    if context is not None:
        monkeypatch.setattr(context, "_current", context(secrets=secrets))
    assert vault_credentials(loader) == expected


def test_no_passwords_are_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    context = getattr(vault, "VaultSecretsContext", None)
    if context is not None:
        monkeypatch.setattr(context, "_current", None)
    assert vault_credentials(DataLoader()) == ()
