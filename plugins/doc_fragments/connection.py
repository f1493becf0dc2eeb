# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that reach a cluster without a stored container group."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: Path of a kubeconfig, or its content as a mapping.
    type: raw
  context:
    description: The context of the kubeconfig to use; without it, its current one.
    type: str
  host:
    description: URL of the API server, for example C(https://kubernetes.example.com:6443).
    type: str
  api_key:
    description: A bearer token that the API server accepts.
    type: str
  verify_ssl:
    description: Whether the API server's certificate is checked; it is, unless this is V(false).
    type: bool
    aliases: [validate_certs]
  ssl_ca_cert:
    description: The certificates of the authorities to trust, as PEM text or the path of such a file.
    type: str
    aliases: [ca_cert]
notes:
  - The connection comes from one source only, and is never mixed. Where no option names one, it is that of
    the E(K8S_AUTH_KUBECONFIG), E(K8S_AUTH_CONTEXT), E(K8S_AUTH_HOST), E(K8S_AUTH_API_KEY),
    E(K8S_AUTH_VERIFY_SSL) and E(K8S_AUTH_SSL_CA_CERT) variables; else of the file of E(KUBECONFIG), or
    C(~/.kube/config); else of the service account of the pod that C(ansible-playbook) runs in.
"""

    STORED = r"""
options:
  credential:
    description:
      - Name or id of a stored credential of the type C(kubernetes_bearer_token).
      - Of O(credential), O(container_group) and the connection's own options, only one can be given.
    type: str
  organization:
    description: Name or id of the organization that O(credential) is in, where several have its name.
    type: str
"""
