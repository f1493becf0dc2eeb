#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: execution_environment
short_description: Manage execution environments
version_added: 0.1.0
description:
  - An execution environment is a container image that jobs run in. It needs C(python3) (3.8 or newer) and
    C(ansible-runner).
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.store
options:
  organization:
    description: Name or id of the organization that it belongs to; its name is unique among all of them.
    type: str
  image:
    description: Reference of the image. It is needed where the execution environment isn't there yet.
    type: str
  pull:
    description: When nodes pull the image; an empty one leaves Kubernetes' default for its tag.
    type: str
    choices: [always, missing, never, ""]
  credential:
    description:
      - Name or id of a C(container_registry) credential, with C(host), C(username) and C(password) (or a
        token). Its host is that of O(image), with its port where it has one; each of Docker Hub's names
        means Docker Hub.
      - For the time of each job it becomes an image pull secret in the pod's namespace, which the
        connection's user must be allowed to get, create and delete.
      - It is added to the C(imagePullSecrets) of the pod spec, which AWX replaces. As with AWX, those of the
        pod's service account don't count then.
      - The credential's C(verify_ssl) has no effect. Images are pulled by the nodes, whose own settings say
        which registries they trust.
    type: str
seealso:
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
- name: Have an execution environment from a private registry
  jobpods.controller.execution_environment:
    name: network
    image: registry.example.com/ee/network:3
    pull: missing
    credential: registry
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
    """Manage execution environments."""
    run_module(
        "execution_environment", AnsibleModule(ARGUMENTS["execution_environment"], supports_check_mode=True)
    )


if __name__ == "__main__":
    main()
