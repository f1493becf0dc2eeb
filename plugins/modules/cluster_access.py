#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_access
short_description: Give jobs access to a namespace of a cluster
version_added: 0.1.0
description:
  - Has a namespace, a service account, a Role and a RoleBinding in a Kubernetes or OpenShift cluster, so that
    jobs can run there with the service account's token.
  - The Role has what AWX's documentation asks for (pods, pods/log and pods/attach), and may look at events,
    with which failures tell more.
  - The role P(jobpods.controller.container_group_access#role) uses this module, and makes a stored credential
    and a container group of what it returns.
  - What was made by this module has the label C(app.kubernetes.io/managed-by=jobpods). Nothing else is
    changed or deleted.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.connection
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(token=bound), each call makes a token.
options:
  namespace:
    description: The namespace; it is made where it isn't there.
    type: str
    required: true
  service_account:
    description: Name of the service account, and of its Role and RoleBinding.
    type: str
    default: container-group
  registry_secrets:
    description:
      - Whether jobs may get, create and delete secrets in the namespace, which they need for execution
        environments with a credential for a private registry.
    type: bool
    default: false
  token:
    description:
      - The token to return. V(long_lived) has no end; it is kept in a secret of the type
        C(kubernetes.io/service-account-token), and is the same at each call. V(bound) ends after
        O(token_seconds); each call makes a new one, and deletes a long-lived one that was made before.
    type: str
    default: none
    choices: [none, long_lived, bound]
  token_seconds:
    description: How long a V(bound) token shall be valid. The cluster may grant less.
    type: int
    default: 2592000
  state:
    description:
      - V(absent) deletes what this module made, with its tokens. The namespace is deleted, too, if this
        module made it and nothing else is in it.
    type: str
    default: present
    choices: [present, absent]
seealso:
  - module: jobpods.controller.credential_test
"""

EXAMPLES = r"""
- name: Let jobs run in a namespace
  jobpods.controller.cluster_access:
    kubeconfig: ~/.kube/config
    namespace: jobs
    token: long_lived
  register: access
  no_log: true

- name: Keep how
  jobpods.controller.credential:
    name: prod cluster
    credential_type: kubernetes_bearer_token
    inputs:
      host: "{{ access.host }}"
      bearer_token: "{{ access.token }}"
      verify_ssl: "{{ access.verify_ssl }}"
      ssl_ca_cert: "{{ access.ssl_ca_cert }}"
"""

RETURN = r"""
namespace:
  description: The namespace.
  returned: success
  type: str
service_account:
  description: Name of the service account.
  returned: success
  type: str
objects:
  description: What has changed, or in check mode would.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: The object's kind.
      type: str
    name:
      description: Its name.
      type: str
    action:
      description: V(created), V(changed) or V(deleted).
      type: str
host:
  description: URL of the API server, as the connection has it.
  returned: with O(state=present)
  type: str
verify_ssl:
  description: Whether the connection checks the API server's certificate.
  returned: with O(state=present)
  type: bool
ssl_ca_cert:
  description: The authorities that the connection trusts, as PEM text; empty where it trusts the system's.
  returned: with O(state=present)
  type: str
token:
  description:
    - The token that was asked for. Use C(no_log) with it.
    - It is empty with O(token=none), and in check mode where it would have to be made.
  returned: with O(state=present)
  type: str
token_expires:
  description: When the token ends, in UTC; null where it has no end.
  returned: with O(state=present)
  type: str
failure:
  description: Why it could not be done, with C(reason), C(message) and C(hint).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Give jobs access to a namespace of a cluster."""
    run_module("cluster_access", AnsibleModule(ARGUMENTS["cluster_access"], supports_check_mode=True))


if __name__ == "__main__":
    main()
