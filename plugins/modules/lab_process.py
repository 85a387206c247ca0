#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_process
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Long-running processes of a lab, in their namespaces and control groups
description:
  - Starts processes that outlive the play, each in a control group of its own, in the namespaces it belongs in, and waits until
    all of them are ready.
  - A process that died, was suspended, does not answer, or whose command line, program file or watched files changed is started
    anew. Whatever else runs in its control group is ended before, so that there is never a second copy.
  - All processes of one call are handled together; the call takes as long as the slowest of them.
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
  processes:
    description: The processes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: A name, unique in the lab; it names the record of the process and appears in results.
        type: str
        required: true
      command:
        description:
          - The program, by its absolute path, and its arguments.
          - Needed for O(state=started).
        type: list
        elements: str
      cgroup:
        description:
          - The control group of the process, for example V(/azora-lab-dev/control/etcd).
          - It is made where missing, in every hierarchy. It must belong to this process alone.
        type: str
        required: true
      log:
        description:
          - The file that takes what the process writes.
          - The one of the process before is kept as C(….previous).
          - Needed for O(state=started).
        type: path
      network_namespace:
        description: The name of the network namespace to run in. By default that of the caller.
        type: str
      mount_namespace:
        description: The file of the mount namespace to run in. By default that of the caller.
        type: path
      environment:
        description: Environment variables, beside C(PATH), C(HOME) and C(LANG).
        type: dict
        default: {}
      environment_files:
        description:
          - Environment variables whose values lie in files, as the caller sees them; the newline at the end is left out.
          - This is the way for secrets. Only the paths are options, and no value gets into a result or a record.
          - When the content of such a file changes, the process is started anew.
        type: dict
        default: {}
      watched_files:
        description: Files that the process reads at its start; when their content changes, it is started anew.
        type: list
        elements: path
        default: []
      ready:
        description: When the process counts as ready.
        type: dict
        default: {}
        suboptions:
          kind:
            description:
              - V(none), it runs.
              - V(tcp), O(processes[].ready.address) accepts connections on O(processes[].ready.port), in the namespace of the
                process.
              - V(unix), the socket O(processes[].ready.path) accepts connections.
              - V(http), O(processes[].ready.url) answers 200, asked in the namespace of the process.
            type: str
            choices: [none, tcp, unix, http]
            default: none
          address:
            description: The address, for V(tcp).
            type: str
            default: 127.0.0.1
          port:
            description: The port, for V(tcp).
            type: int
            default: 0
          path:
            description: The socket, for V(unix), as the caller sees it.
            type: path
            default: ""
          url:
            description: The address to ask, for V(http); C(http:) or C(https:).
            type: str
            default: ""
          ca:
            description: The file with the certificate authority that must have signed the server's certificate.
            type: path
            default: ""
          certificate:
            description: The file with the client certificate to show.
            type: path
            default: ""
          key:
            description: The file with the key of O(processes[].ready.certificate).
            type: path
            default: ""
  state:
    description: Whether the processes should run.
    type: str
    choices: [started, stopped]
    default: started
  records:
    description: The directory for what is remembered of the processes. It belongs somewhere that a restart of the machine empties.
    type: path
    required: true
  ready_timeout:
    description: How long to wait for readiness, in seconds.
    type: float
    default: 60
  stop_timeout:
    description: How long a process has between TERM and KILL, in seconds.
    type: float
    default: 10
seealso:
  - module: azora.platform.lab_cgroup
"""

EXAMPLES = r"""
- name: Start an endpoint in the lab's outside
  azora.platform.lab_process:
    records: "{{ lab_layout.records_dir }}"
    processes:
      - name: outside/endpoint
        command: [/usr/bin/python3, "{{ lab_layout.config_dir }}/endpoint.py"]
        cgroup: "{{ lab_layout.outside.cgroup }}/endpoint"
        network_namespace: "{{ lab_layout.outside.netns }}"
        log: "{{ lab_layout.log_dir }}/outside-endpoint.log"
        watched_files: ["{{ lab_layout.config_dir }}/endpoint.py"]
        ready:
          kind: tcp
          address: 198.51.100.10
          port: 443

- name: Stop it
  azora.platform.lab_process:
    records: "{{ lab_layout.records_dir }}"
    state: stopped
    processes:
      - name: outside/endpoint
        cgroup: "{{ lab_layout.outside.cgroup }}/endpoint"
"""

RETURN = r"""
processes:
  description: What was done, in the order of O(processes).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The process.
      type: str
    action:
      description: V(nothing), V(start), V(restart) or V(stop).
      type: str
    reason:
      description: Why.
      type: str
  sample:
    - {name: control/etcd, action: start, reason: its process 4711 is gone}
logs:
  description: The last lines of the log of each process that did not become ready.
  returned: on failure
  type: dict
  sample: {control/etcd: "panic: …"}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.azora.platform.plugins.module_utils import _lab_processes, _lab_readiness
from ansible_collections.azora.platform.plugins.module_utils._lab_system import LabError

READY_OPTIONS = {
    "kind": {"type": "str", "choices": ["none", "tcp", "unix", "http"], "default": "none"},
    "address": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 0},
    "path": {"type": "path", "default": ""},
    "url": {"type": "str", "default": ""},
    "ca": {"type": "path", "default": ""},
    "certificate": {"type": "path", "default": ""},
    "key": {"type": "path", "default": "", "no_log": False},
}
PROCESS_OPTIONS = {
    "name": {"type": "str", "required": True},
    "command": {"type": "list", "elements": "str"},
    "cgroup": {"type": "str", "required": True},
    "log": {"type": "path"},
    "network_namespace": {"type": "str"},
    "mount_namespace": {"type": "path"},
    "environment": {"type": "dict", "default": {}},
    "environment_files": {"type": "dict", "default": {}},
    "watched_files": {"type": "list", "elements": "path", "default": []},
    "ready": {"type": "dict", "default": {}, "options": READY_OPTIONS},
}


def wanted_process(options: dict[str, t.Any]) -> _lab_processes.Wanted:
    """A process from the module's options."""
    return _lab_processes.Wanted(
        name=options["name"],
        command=tuple(options["command"] or ()),
        cgroup=options["cgroup"],
        log=options["log"] or "",
        network_namespace=options["network_namespace"],
        mount_namespace=options["mount_namespace"],
        environment=tuple((key, str(value)) for key, value in options["environment"].items()),
        environment_files=tuple((key, str(path)) for key, path in options["environment_files"].items()),
        watched_files=tuple(options["watched_files"]),
        ready=_lab_readiness.Readiness(**{key: value for key, value in options["ready"].items() if value is not None}),
    )


def bring_up(
    module: AnsibleModule, supervisor: _lab_processes.Supervisor, processes: list[_lab_processes.Wanted]
) -> None:
    """Start what has to be started, wait for all, and start anew, once, what runs but does not answer."""
    decisions = {wanted.name: supervisor.decision(wanted) for wanted in processes}
    failures: dict[str, str] = {}
    if not module.check_mode:
        for wanted in processes:
            if decisions[wanted.name].action != "nothing":
                supervisor.start(wanted)
        failures = supervisor.settle(processes)
        silent = [w for w in processes if w.name in failures and decisions[w.name].action == "nothing"]
        for wanted in silent:
            decisions[wanted.name] = _lab_processes.Decision("restart", failures.pop(wanted.name))
            supervisor.start(wanted)
        failures.update(supervisor.settle(silent))
    report(module, processes, decisions, failures)


def take_down(
    module: AnsibleModule, supervisor: _lab_processes.Supervisor, processes: list[_lab_processes.Wanted]
) -> None:
    """End the processes."""
    decisions = {}
    for wanted in processes:
        running = bool(_lab_processes.running(wanted, supervisor.machine))
        if running and not module.check_mode:
            supervisor.stop(wanted)
        decisions[wanted.name] = _lab_processes.Decision(
            "stop" if running else "nothing", "it was running" if running else ""
        )
    report(module, processes, decisions, {})


def report(
    module: AnsibleModule,
    processes: list[_lab_processes.Wanted],
    decisions: dict[str, _lab_processes.Decision],
    failures: dict[str, str],
) -> None:
    """End the module with what was done, or with what did not come up and the end of its log."""
    result: dict[str, t.Any] = {
        "changed": any(decision.action != "nothing" for decision in decisions.values()),
        "processes": [
            {"name": wanted.name, "action": decisions[wanted.name].action, "reason": decisions[wanted.name].reason}
            for wanted in processes
        ],
    }
    if not failures:
        module.exit_json(**result)
    logs = {wanted.name: _lab_processes.log_tail(wanted.log) for wanted in processes if wanted.name in failures}
    sentences = [f"{name} did not come up: {reason}. Its log ends:\n{logs[name]}" for name, reason in failures.items()]
    module.fail_json(msg="\n".join(sentences), logs=logs, **result)


def main() -> None:
    """Bring the processes to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "processes": {"type": "list", "elements": "dict", "required": True, "options": PROCESS_OPTIONS},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "records": {"type": "path", "required": True},
            "ready_timeout": {"type": "float", "default": 60},
            "stop_timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    options = module.params
    if options["state"] == "started":
        for process in options["processes"]:
            if not process["command"] or not process["log"]:
                module.fail_json(msg=f"{process['name']} needs command and log to be started")
    processes = [wanted_process(process) for process in options["processes"]]
    supervisor = _lab_processes.Supervisor(
        _lab_processes.Records(options["records"]),
        ready_timeout=options["ready_timeout"],
        stop_timeout=options["stop_timeout"],
    )
    try:
        (bring_up if options["state"] == "started" else take_down)(module, supervisor, processes)
    except (LabError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
