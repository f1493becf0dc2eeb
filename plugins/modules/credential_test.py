#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_test
short_description: Test a connection to a cluster
version_added: 0.1.0
description:
  - Tests step by step whether jobs can run with a connection to a Kubernetes or OpenShift cluster. The
    address is reached, its certificate is trusted, it is Kubernetes, it accepts the token, the namespace
    exists, and each permission that a job needs there is given.
  - Each step is shown as it happens, and what to do about one that fails.
  - Nothing is changed in the cluster. Where the namespace may not be read, the API server goes through the
    creation of a pod in it without making one (a dry run).
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.connection
  - jobpods.controller.connection.stored
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
options:
  container_group:
    description: Name or id of a stored container group.
    type: str
  namespace:
    description: Where jobs are to run; without it the namespace of O(container_group), else V(default).
    type: str
seealso:
  - module: jobpods.controller.credential
  - module: jobpods.controller.container_group
  - module: jobpods.controller.cluster_access
"""

EXAMPLES = r"""
- name: Test whether jobs can run in a container group
  jobpods.controller.credential_test:
    container_group: prod

- name: Test a credential for another namespace
  jobpods.controller.credential_test:
    credential: prod cluster
    namespace: network-jobs

- name: Test a token before it is stored
  jobpods.controller.credential_test:
    host: https://kubernetes.example.com:6443
    api_key: "{{ token }}"
    ssl_ca_cert: ./ca.crt
    namespace: jobs
"""

RETURN = r"""
checks:
  description:
    - All checks, always the same ones in the same order. They are V(address), V(tls), V(kubernetes),
      V(token), V(namespace), and the permissions, for example V(get pods/attach).
  returned: when the options name a connection
  type: list
  elements: dict
  contains:
    check:
      description: What was tested.
      type: str
    ok:
      description: Whether it is as it should be; null where that is not known, or was not tried.
      type: bool
    required:
      description: No job runs unless this is ok; the module fails.
      type: bool
    message:
      description: What it means.
      type: str
    hint:
      description: What to do about it, for example the rule to add to a Role.
      type: str
host:
  description: URL of the API server.
  returned: when the options name a connection
  type: str
namespace:
  description: The namespace for which the permissions were tested.
  returned: when the options name a connection
  type: str
version:
  description: Of Kubernetes, for example C(v1.34.4); empty where it is not known.
  returned: when the options name a connection
  type: str
user:
  description: Whom the API server takes the connection for; empty where it does not say.
  returned: when the options name a connection
  type: str
token_expires:
  description: When the token ends, in UTC; null where it says nothing of an end.
  returned: when the options name a connection
  type: str
failure:
  description: Why nothing could be tested, with C(reason), C(message) and C(hint).
  returned: when the options name no connection
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Test a connection to a cluster."""
    run_module("credential_test", AnsibleModule(ARGUMENTS["credential_test"], supports_check_mode=True))


if __name__ == "__main__":
    main()
