"""Answer as Juju's hook commands do, from a file that describes the model around one unit.

Each command is a small executable that runs this file under the command's name. It uses the
standard library only and starts fast, because its cost counts in what the benchmark measures.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

State = dict[str, Any]
Options = dict[str, str]
Command = Callable[[State, Options, list[str]], Any]

# Options that are followed by their value, of the commands that charms call.
VALUED = frozenset({"-r", "-l", "-m", "--format", "--file", "--relation", "--unit"}) | frozenset(
    {"--label", "--owner", "--description", "--expire", "--rotate", "--endpoint", "--log-level"}
)


class CommandError(Exception):
    """The command fails; the text goes to standard error, as Juju's own would."""


def parse(arguments: list[str]) -> tuple[Options, list[str]]:
    """Split what follows a command's name into options and words."""
    options: Options = {}
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-") or argument == "-":
            words.append(argument)
        elif "=" in argument:
            name, _, value = argument.partition("=")
            options[name] = value
        else:
            options[argument] = next(rest, "") if argument in VALUED else "true"
    return options, words


def config_get(state: State, options: Options, words: list[str]) -> Any:
    """Return all options, or one."""
    return state["config"].get(words[0]) if words else state["config"]


def is_leader(state: State, options: Options, words: list[str]) -> bool:
    """Return whether the unit leads."""
    return state["leader"]


def relation_ids(state: State, options: Options, words: list[str]) -> list[str]:
    """Return the relations of an endpoint."""
    return [f"{words[0]}:{r['id']}" for r in state["relations"] if r["endpoint"] == words[0]]


def relation_list(state: State, options: Options, words: list[str]) -> Any:
    """Return the remote units of a relation, or its remote application."""
    relation = _relation(state, options)
    return relation["application"] if "--app" in options else sorted(relation["units"])


def relation_get(state: State, options: Options, words: list[str]) -> Any:
    """Return a databag, or one of its keys."""
    member = words[1] if len(words) > 1 else os.environ.get("JUJU_REMOTE_UNIT", "")
    bag = _databag(state, _relation(state, options), member, application="--app" in options)
    key = words[0] if words else "-"
    return bag if key == "-" else bag.get(key)


def relation_set(state: State, options: Options, words: list[str]) -> None:
    """Change the unit's own databag, or its application's."""
    relation = _relation(state, options)
    bag = relation["own_application" if "--app" in options else "own_unit"]
    changes = dict(word.split("=", 1) for word in words)
    if "--file" in options:
        changes |= _from_yaml_or_json(options["--file"])
    for key, value in changes.items():
        if value:
            bag[key] = value
        else:
            bag.pop(key, None)


def network_get(state: State, options: Options, words: list[str]) -> State:
    """Return the unit's addresses on a binding."""
    address = state["address"]
    interface = {"name": "eth0", "interface-name": "eth0", "mac-address": ""}
    network = address.rpartition(".")[0] + ".0/24"
    where = {"hostname": "", "address": address, "value": address, "cidr": network}
    return {
        "bind-addresses": [{**interface, "addresses": [where]}],
        "ingress-addresses": [address],
        "egress-subnets": [f"{address}/32"],
    }


def status_get(state: State, options: Options, words: list[str]) -> State:
    """Return the status last set."""
    if "--application" in options:
        return {"application-status": {**state["application_status"], "units": {}}}
    return state["unit_status"]


def status_set(state: State, options: Options, words: list[str]) -> None:
    """Note the status of the unit or of the application."""
    place = "application_status" if "--application" in options else "unit_status"
    state[place] = {"status": words[0], "message": " ".join(words[1:]), "status-data": {}}


def application_version_set(state: State, options: Options, words: list[str]) -> None:
    """Note the version of the workload."""
    state["version"] = words[0]


def state_get(state: State, options: Options, words: list[str]) -> Any:
    """Return what the charm stored with the unit."""
    return state["stored"].get(words[0]) if words else state["stored"]


def state_set(state: State, options: Options, words: list[str]) -> None:
    """Store something with the unit."""
    state["stored"] |= dict(word.split("=", 1) for word in words)
    if "--file" in options:
        state["stored"] |= _from_yaml_or_json(options["--file"])


def state_delete(state: State, options: Options, words: list[str]) -> None:
    """Forget something stored with the unit."""
    state["stored"].pop(words[0], None)


def resource_get(state: State, options: Options, words: list[str]) -> str:
    """Return where a resource lies."""
    if words[0] not in state["resources"]:
        raise CommandError(f'ERROR could not download resource: resource "{words[0]}" not found')
    return state["resources"][words[0]]


def secret_add(state: State, options: Options, words: list[str]) -> str:
    """Make a secret and return its id."""
    identifier = f"secret:standin{len(state['secrets']):013d}"
    state["secrets"][identifier] = {
        "label": options.get("--label", ""),
        "owner": options.get("--owner", "application"),
        "revision": 1,
        "content": _secret_content(words),
    }
    return identifier


def secret_get(state: State, options: Options, words: list[str]) -> Any:
    """Return a secret's content."""
    content = _secret(state, options, words)["content"]
    return content[words[1]] if len(words) > 1 else content


def secret_set(state: State, options: Options, words: list[str]) -> None:
    """Change a secret's content."""
    secret = _secret(state, options, words)
    content = _secret_content(words[1:])
    if content and content != secret["content"]:
        secret.update(content=content, revision=secret["revision"] + 1)


def secret_remove(state: State, options: Options, words: list[str]) -> None:
    """Remove a secret."""
    secret = _secret(state, options, words)
    state["secrets"] = {key: value for key, value in state["secrets"].items() if value != secret}


def secret_ids(state: State, options: Options, words: list[str]) -> list[str]:
    """Return the ids of the secrets that the unit or its application owns."""
    return [identifier.removeprefix("secret:") for identifier in sorted(state["secrets"])]


def secret_info_get(state: State, options: Options, words: list[str]) -> State:
    """Return what is known about a secret, except its content."""
    secret = _secret(state, options, words)
    identifier = next(key for key, value in state["secrets"].items() if value is secret)
    described = {key: secret[key] for key in ("label", "owner", "revision")}
    return {identifier.removeprefix("secret:"): {**described, "rotation": "never"}}


def nothing(state: State, options: Options, words: list[str]) -> None:
    """Accept, and change nothing."""


def empty(state: State, options: Options, words: list[str]) -> list[str]:
    """Return an empty list."""
    return []


COMMANDS: Mapping[str, Command] = {
    "action-fail": nothing,
    "action-get": lambda state, options, words: {},
    "action-log": nothing,
    "action-set": nothing,
    "application-version-set": application_version_set,
    "close-port": nothing,
    "config-get": config_get,
    "goal-state": lambda state, options, words: {"units": {}, "relations": {}},
    "is-leader": is_leader,
    "juju-log": nothing,
    "juju-reboot": nothing,
    "network-get": network_get,
    "open-port": nothing,
    "opened-ports": empty,
    "relation-get": relation_get,
    "relation-ids": relation_ids,
    "relation-list": relation_list,
    "relation-model-get": lambda state, options, words: {"uuid": os.environ["JUJU_MODEL_UUID"]},
    "relation-set": relation_set,
    "resource-get": resource_get,
    "secret-add": secret_add,
    "secret-get": secret_get,
    "secret-grant": nothing,
    "secret-ids": secret_ids,
    "secret-info-get": secret_info_get,
    "secret-remove": secret_remove,
    "secret-revoke": nothing,
    "secret-set": secret_set,
    "state-delete": state_delete,
    "state-get": state_get,
    "state-set": state_set,
    "status-get": status_get,
    "status-set": status_set,
    "storage-get": lambda state, options, words: {},
    "storage-list": empty,
    "unit-get": lambda state, options, words: state["address"],
}


def _relation(state: State, options: Options) -> State:
    """Return the relation that the options name, or the one the hook is about."""
    wanted = options.get("-r") or options.get("--relation") or os.environ["JUJU_RELATION_ID"]
    for relation in state["relations"]:
        if str(relation["id"]) == wanted.rpartition(":")[2]:
            return relation
    raise CommandError("ERROR relation not found")


def _databag(state: State, relation: State, member: str, *, application: bool) -> State:
    """Return the databag of a member of a relation."""
    own = state["unit"]
    name = member.partition("/")[0]
    if application or "/" not in member:
        is_own = name == own.partition("/")[0]
        return relation["own_application" if is_own else "remote_application"]
    if member == own:
        return relation["own_unit"]
    if member not in relation["units"]:
        raise CommandError(f'ERROR permission denied: no unit "{member}" in the relation')
    return relation["units"][member]


def _secret(state: State, options: Options, words: list[str]) -> State:
    """Return the secret that is named by id or by label."""
    wanted = words[0] if words else ""
    for identifier, secret in state["secrets"].items():
        if wanted and wanted.removeprefix("secret:") == identifier.removeprefix("secret:"):
            return secret
        if not wanted and secret["label"] == options.get("--label"):
            return secret
    raise CommandError(f'ERROR secret "{wanted or options.get("--label")}" not found')


def _secret_content(words: list[str]) -> dict[str, str]:
    """Return a secret's content from words like ``key=value`` and ``key#file=path``."""
    content: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key.endswith("#file"):
            with open(value, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
                value = file.read()
        if "=" in word:
            content[key.removesuffix("#file")] = value
    return content


def _from_yaml_or_json(path: str) -> dict[str, str]:
    """Read a mapping of strings, as ops writes it: YAML with one quoted or plain pair per line."""
    text = sys.stdin.read() if path == "-" else _read(path)
    try:
        return json.loads(text)
    except ValueError:
        import yaml  # Only here: the charm's own copy, and rarely needed.

        return yaml.safe_load(text) or {}


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
        return file.read()


def answer(state: State, name: str, arguments: list[str]) -> str:
    """Carry out a hook command in a model; return what it prints. Raises CommandError."""
    options, words = parse(arguments)
    value = COMMANDS[name](state, options, words)
    if name in ("secret-add", "resource-get"):
        return f"{value}\n"
    if value is None and "--format=json" not in arguments:
        return ""
    return json.dumps(value) + "\n"


def main(name: str, arguments: list[str]) -> int:
    """Read the model, answer, write the model if it changed, and note the call."""
    place = os.environ["STANDIN_MODEL"]
    before = _read(place)
    state = json.loads(before)
    try:
        printed, code = answer(state, name, arguments), 0
        sys.stdout.write(printed)
    except CommandError as e:
        printed, code = f"{e}\n", 1
        sys.stderr.write(printed)
    with open(f"{place}.calls", "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps([[name, *arguments], printed, code]) + "\n")
    after = json.dumps(state)
    if after != before:
        with open(place, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(after)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
