#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
short_description: Manage credentials
version_added: 0.1.0
description:
  - Keeps secrets of one type in the store, encrypted, for those objects and jobs that name the credential.
  - The types and their inputs are AWX's. A second credential of the same name, type and organization is
    refused, as in AWX.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.named_object.organization
  - jobpods.controller.store
options:
  credential_type:
    description:
      - The type; AWX's own names are taken, too. It is needed where the credential isn't there yet, and where
        several have its name, and can't be changed.
      - V(kubernetes_bearer_token) (V(OpenShift or Kubernetes API Bearer Token)) has the inputs C(host),
        C(bearer_token), C(verify_ssl) and C(ssl_ca_cert).
      - V(machine) (V(Machine)) has C(username), C(password), C(ssh_key_data), C(ssh_key_unlock),
        C(become_method), C(become_username) and C(become_password).
      - V(vault) (V(Vault)) has C(vault_password) and C(vault_id).
      - V(source_control) (V(Source Control)) has C(username), C(password), C(ssh_key_data) and
        C(ssh_key_unlock).
      - V(container_registry) (V(Container Registry)) has C(host), C(username), C(password) and C(verify_ssl).
    type: str
  inputs:
    description:
      - What the credential holds; replaces all that it held. Secrets are never returned; the same ones given
        again change nothing.
    type: dict
seealso:
  - module: jobpods.controller.container_group
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
- name: Keep how to log in to the web servers
  jobpods.controller.credential:
    name: web servers
    organization: Operations
    credential_type: Machine
    inputs:
      username: deploy
      ssh_key_data: "{{ lookup('ansible.builtin.file', '~/.ssh/deploy') }}"

- name: Keep how to reach a cluster
  jobpods.controller.credential:
    name: prod cluster
    credential_type: OpenShift or Kubernetes API Bearer Token
    inputs:
      host: https://kubernetes.example.com:6443
      bearer_token: "{{ prod_token }}"
      ssl_ca_cert: "{{ lookup('ansible.builtin.file', 'prod-ca.crt') }}"
"""

RETURN = r"""
id:
  description: The object's id; null where there is none (any more).
  returned: success
  type: int
name:
  description: The object's name.
  returned: success
  type: str
object:
  description: All that is stored of the object, with V($encrypted$) for secrets; empty where it is deleted.
  returned: success
  type: dict
failure:
  description: Why the object could not be changed, with C(reason), C(message) and C(hint).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Manage credentials."""
    run_module("credential", AnsibleModule(ARGUMENTS["credential"], supports_check_mode=True))


if __name__ == "__main__":
    main()
