#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_credentials
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Certificates, signing keys and kubeconfigs of a lab
description:
  - Makes certificate authorities, certificates signed by them, signing keys, and kubeconfigs that carry them, all in one call.
  - What is there stays. A certificate is made anew when its names, addresses or usages changed, when its authority did not sign
    it or is new, or when it is close to its end.
  - Private keys are written to files of mode 0600 and never returned.
extends_documentation_fragment:
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description: Where the files lie, as C(NAME.crt), C(NAME.key) and C(NAME.pub).
    type: path
    required: true
  authorities:
    description: The certificate authorities.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of its files.
        type: str
        required: true
      common_name:
        description: The name in the certificate.
        type: str
        required: true
  certificates:
    description: The certificates.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of its files.
        type: str
        required: true
      authority:
        description: The authority that signs it.
        type: str
        required: true
      common_name:
        description: The subject's name; for Kubernetes, the user.
        type: str
        required: true
      organizations:
        description: The subject's organizations; for Kubernetes, the groups.
        type: list
        elements: str
        default: []
      names:
        description: DNS names it is valid for.
        type: list
        elements: str
        default: []
      addresses:
        description: IP addresses it is valid for.
        type: list
        elements: str
        default: []
      usages:
        description: What it may be used for.
        type: list
        elements: str
        choices: [client, server]
        default: [client]
  signing_keys:
    description: Key pairs without a certificate, by name.
    type: list
    elements: str
    default: []
  kubeconfigs:
    description: The kubeconfigs.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      certificate:
        description: The certificate of the user.
        type: str
        required: true
      authority:
        description: The authority of the server.
        type: str
        required: true
      server:
        description: The address of the API server.
        type: str
        required: true
      cluster:
        description: The name of the cluster and of the context.
        type: str
        required: true
  renew_days:
    description: A certificate that ends within so many days is made anew.
    type: int
    default: 30
requirements:
  - cryptography >= 42
"""

EXAMPLES = r"""
- name: Make an authority, a user and a kubeconfig
  azora.platform.lab_credentials:
    directory: /srv/dev/pki
    authorities:
      - name: ca
        common_name: dev
    certificates:
      - name: admin
        authority: ca
        common_name: admin
        organizations: [system:masters]
    kubeconfigs:
      - path: /srv/dev/kubeconfig
        certificate: admin
        authority: ca
        server: https://10.155.128.2:6443
        cluster: dev
"""

RETURN = r"""
made:
  description: What was made, each with the reason.
  returned: always
  type: dict
  sample: {admin: it was missing}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.azora.platform.plugins.module_utils import _lab_credentials

AUTHORITY_OPTIONS = {
    "name": {"type": "str", "required": True},
    "common_name": {"type": "str", "required": True},
}
CERTIFICATE_OPTIONS = {
    "name": {"type": "str", "required": True},
    "authority": {"type": "str", "required": True},
    "common_name": {"type": "str", "required": True},
    "organizations": {"type": "list", "elements": "str", "default": []},
    "names": {"type": "list", "elements": "str", "default": []},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "usages": {"type": "list", "elements": "str", "choices": ["client", "server"], "default": ["client"]},
}
KUBECONFIG_OPTIONS = {
    "path": {"type": "path", "required": True},
    "certificate": {"type": "str", "required": True},
    "authority": {"type": "str", "required": True},
    "server": {"type": "str", "required": True},
    "cluster": {"type": "str", "required": True},
}


def make(options: dict[str, t.Any], check_mode: bool) -> dict[str, str]:
    """Make what is missing; authorities first, since what they signed follows them."""
    credentials = _lab_credentials.Credentials(
        options["directory"], renew_days=options["renew_days"], check_mode=check_mode
    )
    for authority in options["authorities"]:
        credentials.authority(_lab_credentials.Authority(**authority))
    for certificate in options["certificates"]:
        values: dict[str, t.Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in certificate.items()
        }
        credentials.certificate(_lab_credentials.Certificate(**values))
    for name in options["signing_keys"]:
        credentials.signing_key(name)
    for kubeconfig in options["kubeconfigs"]:
        values = {key: value for key, value in kubeconfig.items() if key != "authority"}
        credentials.kubeconfig(_lab_credentials.Kubeconfig(**values), kubeconfig["authority"])
    return credentials.made


def main() -> None:
    """Make the credentials."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "authorities": {"type": "list", "elements": "dict", "default": [], "options": AUTHORITY_OPTIONS},
            "certificates": {"type": "list", "elements": "dict", "default": [], "options": CERTIFICATE_OPTIONS},
            "signing_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "kubeconfigs": {"type": "list", "elements": "dict", "default": [], "options": KUBECONFIG_OPTIONS},
            "renew_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    if _lab_credentials.CRYPTOGRAPHY_IMPORT_ERROR:
        module.fail_json(
            msg=missing_required_lib("cryptography"), exception=str(_lab_credentials.CRYPTOGRAPHY_IMPORT_ERROR)
        )
    try:
        made = make(module.params, module.check_mode)
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(made), made=made)


if __name__ == "__main__":
    main()
