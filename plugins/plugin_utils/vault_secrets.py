# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vault passwords that this process of Ansible has, for another one that reads vaulted files for it."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential


def vault_credentials(loader: Any) -> tuple[VaultCredential, ...]:
    """All vault passwords that Ansible was given, with their ids.

    Args:
        loader: the data loader.
    """
    try:
        from ansible.parsing.vault import VaultSecretsContext
    except ImportError:  # ansible-core before 2.19 keeps them in the loader
        secrets = loader._vault.secrets
    else:
        context = VaultSecretsContext.current(optional=True)
        secrets = context.secrets if context else ()
    return tuple(
        VaultCredential(secret.bytes.decode("utf-8", "surrogateescape"), str(name))
        for name, secret in secrets or ()
    )
