"""A little of the ``juju`` command line, spoken to a model of the lab.

What a page of the documentation tells its reader to type can be typed here, and prints what the
lab's model has to say to it. A command or a flag that is missing here is refused, never ignored.
"""

from __future__ import annotations

import argparse
import pathlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

import yaml

from edgelab import bundle
from edgelab.model import CheckError, Model, NotSettledError, deploying, status
from edgelab.model.entities import Application, ConfigValue


class CommandError(Exception):
    """The lab does not speak this command, or the model refuses what it asks for."""


class Shell:
    """Somebody at a keyboard, in a folder, with a model."""

    def __init__(self, juju: Model, folder: str | pathlib.Path):
        """Sit down.

        Args:
            juju: the model.
            folder: what paths in commands are relative to.
        """
        self.juju = juju
        self.folder = pathlib.Path(folder)
        self.secrets: dict[str, str] = {}
        """Name of a user secret → its id."""
        self._removed = -1

    def run(self, command: str) -> str:
        """Run one command line and return what it prints on its standard output.

        Raises CommandError for what is not spoken here, and for what the model refuses.
        """
        if command.lstrip().startswith("#"):
            return ""
        words = shlex.split(command)
        if words[0] != "juju" or len(words) < 2 or words[1] not in _COMMANDS:
            raise CommandError(f"the lab does not speak {command!r}")
        parser, act = _COMMANDS[words[1]]
        options = parser().parse_args(words[2:])
        try:
            return act(self, options)
        except (CheckError, NotSettledError, bundle.BundleError) as e:
            raise CommandError(f"{command}: {e}") from e

    def next_machine(self) -> int:
        """Return the number of the next machine; Juju gives none twice."""
        present = [int(name) for name in self.juju.world.machines if name.isdigit()]
        return max([self._removed, *present]) + 1

    def forget_machine(self, name: str) -> None:
        """Take a machine away for good."""
        self.juju.world.remove_machine(name)
        self._removed = max(self._removed, int(name) if name.isdigit() else -1)


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"juju {self.prog}: {message}")


# --- machines and applications -------------------------------------------------------------------


def _add_machine(shell: Shell, options: argparse.Namespace) -> str:
    """Add a Pi that is there already: ``ssh:USER@HOST``."""
    kind, _, where = str(options.placement).partition(":")
    hostname = where.rpartition("@")[2].partition(".")[0]
    if kind != "ssh" or not hostname:
        raise CommandError(f"juju add-machine {options.placement}: the lab takes ssh:USER@HOST")
    number = shell.next_machine()
    shell.juju.add_machine(
        str(number),
        hostname=hostname,
        address=f"10.20.0.{11 + number}",
        mem_kb=deploying.MEMORY_MB * 1024,
    )
    return f"created machine {number}"


def _remove_machine(shell: Shell, options: argparse.Namespace) -> str:
    for name in options.machines:
        units = [unit.name for unit in shell.juju.units.values() if unit.machine == name]
        if name not in shell.juju.world.machines:
            raise CommandError(f"no machine {name}")
        if units:
            raise CommandError(f"machine {name} still has {', '.join(units)}")
        shell.forget_machine(name)
    return ""


def _deploy(shell: Shell, options: argparse.Namespace) -> str:
    """Deploy a bundle, on machines that are there where Juju is told to map them."""
    overlays = [shell.folder / path for path in options.overlay]
    site = bundle.read(shell.folder / options.bundle, overlays)
    if options.map_machines:
        deploying.deploy(cast("Model", _WithExisting(shell.juju)), site)
    else:
        shell.juju.deploy(site)
    return ""


class _WithExisting:
    """A model that takes the machines it has for those that a bundle declares."""

    def __init__(self, juju: Model):
        self._juju = juju

    def __getattr__(self, name: str) -> Any:
        return getattr(self._juju, name)

    def add_machine(self, name: str, **hardware: Any) -> str:
        """Return the name of a machine that is there, or of a new container."""
        if "/" in name:
            return self._juju.add_machine(name, **hardware)
        if name not in self._juju.world.machines:
            raise CheckError(f"there is no machine {name} to map")
        return name


def _add_unit(shell: Shell, options: argparse.Namespace) -> str:
    places = str(options.to).split(",") if options.to else list[str]()
    if len(places) > options.num_units:
        raise CommandError(f"{len(places)} places for {options.num_units} units")
    for number in range(options.num_units):
        machine = places[number] if number < len(places) else None
        if machine is not None and machine not in shell.juju.world.machines:
            raise CommandError(f"no machine {machine}")
        shell.juju.add_unit(options.application, machine)
    return ""


def _remove_unit(shell: Shell, options: argparse.Namespace) -> str:
    if options.no_wait and not options.force:
        raise CommandError("--no-wait without --force")
    for name in options.units:
        shell.juju.remove_unit(name, force=options.force)
    return ""


def _remove_application(shell: Shell, options: argparse.Namespace) -> str:
    for name in options.applications:
        shell.juju.remove_application(name, force=options.force)
    return ""


def _refresh(shell: Shell, options: argparse.Namespace) -> str:
    """Refresh a charm; its sources stand in for any packed file of it."""
    shell.juju.refresh(options.application, _application(shell, options.application).charm_path)
    return ""


def _attach_resource(shell: Shell, options: argparse.Namespace) -> str:
    name, _, path = str(options.resource).partition("=")
    shell.juju.attach_resource(options.application, name, shell.folder / path)
    return ""


# --- options, relations, actions, secrets --------------------------------------------------------


def _config(shell: Shell, options: argparse.Namespace) -> str:
    """Show one option, or set some, or give some their defaults again."""
    known = _application(shell, options.application)
    if options.reset:
        shell.juju.reset_config(options.application, *options.reset.split(","))
    asked = [text for text in options.settings if "=" not in text]
    given = dict(text.split("=", 1) for text in options.settings if "=" in text)
    if given:
        types = {name: str(o["type"]) for name, o in known.charm.config["options"].items()}
        values = {n: option(types.get(n, ""), _read(shell, text)) for n, text in given.items()}
        shell.juju.set_config(options.application, values)
    return "\n".join(str(known.config.get(name, "")) for name in asked)


def _read(shell: Shell, text: str) -> str:
    """Return a value, or what the file holds that it names: ``@path``."""
    if not text.startswith("@"):
        return text
    try:
        return (shell.folder / text[1:]).read_text(encoding="utf-8")
    except OSError as e:
        raise CommandError(f"juju config: {e}") from e


def option(kind: str, text: str) -> ConfigValue:
    """Return the value that a text means for an option of some type."""
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text.lower(), text) if kind == "boolean" else text


def _integrate(shell: Shell, options: argparse.Namespace) -> str:
    shell.juju.integrate(options.one, options.other)
    return ""


def _remove_relation(shell: Shell, options: argparse.Namespace) -> str:
    shell.juju.remove_relation(options.one, options.other)
    return ""


def _run(shell: Shell, options: argparse.Namespace) -> str:
    """Run an action and print its results as YAML. Raises CommandError if it fails."""
    given = dict(text.split("=", 1) for text in options.parameters)
    params = {name: yaml.safe_load(text) for name, text in given.items()}
    done = shell.juju.run(options.unit, options.action, params)
    if done.status != "completed":
        raise CommandError(f"action {options.action} {done.status}: {done.message}")
    return results(done.results)


def results(found: Mapping[str, Any]) -> str:
    """Return the results of an action as ``juju run`` prints them."""
    return yaml.dump(dict(found), Dumper=_Results, allow_unicode=True, width=1000).rstrip("\n")


def _status(shell: Shell, _: argparse.Namespace) -> str:
    """Print the status once the model is calm: a reader looks again until it is."""
    shell.juju.settle()
    return status.text(shell.juju)


def _add_secret(shell: Shell, options: argparse.Namespace) -> str:
    if options.name in shell.secrets:
        raise CommandError(f"secret {options.name} already exists")
    id = shell.juju.add_secret(_content(shell, options.content), to="")
    shell.juju.secrets[id].grants.clear()
    shell.secrets[options.name] = id
    return id


def _update_secret(shell: Shell, options: argparse.Namespace) -> str:
    shell.juju.update_secret(_secret(shell, options.name), _content(shell, options.content))
    return ""


def _grant_secret(shell: Shell, options: argparse.Namespace) -> str:
    _application(shell, options.application)
    secret = shell.juju.secrets[_secret(shell, options.name)]
    secret.grants.setdefault(-1, set()).add(options.application)
    return ""


def _application(shell: Shell, name: str) -> Application:
    if name not in shell.juju.applications:
        raise CommandError(f"no application {name!r}")
    return shell.juju.applications[name]


def _secret(shell: Shell, name: str) -> str:
    """Return the id of a secret that is called by its name or by its id."""
    id = shell.secrets.get(name, name)
    if id not in shell.juju.secrets:
        raise CommandError(f"no secret {name!r}")
    return id


def _content(shell: Shell, pairs: Sequence[str]) -> Mapping[str, str]:
    """Return the content of a secret: ``key=value`` pairs, or ``key#file=path``."""
    content: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key.endswith("#file"):
            key, value = key[:-5], (shell.folder / value).read_text(encoding="utf-8")
        content[key] = value
    return content


class _Results(yaml.SafeDumper):
    """Prints texts of several lines as ``juju run`` does, line by line."""


def _text(_: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return yaml.ScalarNode("tag:yaml.org,2002:str", value, style=style)


_Results.add_representer(str, _text)


# --- what is spoken ------------------------------------------------------------------------------


def _parser(name: str, *places: str, rest: str = "", flags: Sequence[str] = ()) -> _Parser:
    """Return the parser of a command.

    Args:
        name: the command.
        places: what it takes, in order.
        rest: what may follow any number of times.
        flags: what is either there or not.
    """
    parser = _Parser(prog=name, add_help=False, allow_abbrev=False)
    for place in places:
        parser.add_argument(place)
    if rest:
        parser.add_argument(rest, nargs="*")
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    return parser


def _deploy_parser() -> _Parser:
    parser = _parser("deploy", "bundle")
    parser.add_argument("--overlay", action="append", default=[])
    parser.add_argument("--map-machines", choices=["existing"])
    return parser


def _add_unit_parser() -> _Parser:
    parser = _parser("add-unit", "application")
    parser.add_argument("-n", "--num-units", type=int, default=1)
    parser.add_argument("--to")
    return parser


def _config_parser() -> _Parser:
    parser = _parser("config", "application", rest="settings")
    parser.add_argument("--reset")
    return parser


def _refresh_parser() -> _Parser:
    parser = _parser("refresh", "application")
    parser.add_argument("--path")
    return parser


_REMOVAL = ("--force", "--no-wait", "--no-prompt")

_Entry = tuple[Callable[[], _Parser], Callable[[Shell, argparse.Namespace], str]]

_COMMANDS: Mapping[str, _Entry] = {
    "add-machine": (lambda: _parser("add-machine", "placement"), _add_machine),
    "add-secret": (lambda: _parser("add-secret", "name", rest="content"), _add_secret),
    "add-unit": (_add_unit_parser, _add_unit),
    "attach-resource": (
        lambda: _parser("attach-resource", "application", "resource"),
        _attach_resource,
    ),
    "config": (_config_parser, _config),
    "deploy": (_deploy_parser, _deploy),
    "grant-secret": (lambda: _parser("grant-secret", "name", "application"), _grant_secret),
    "integrate": (lambda: _parser("integrate", "one", "other"), _integrate),
    "refresh": (_refresh_parser, _refresh),
    "remove-application": (
        lambda: _parser("remove-application", rest="applications", flags=_REMOVAL),
        _remove_application,
    ),
    "remove-machine": (
        lambda: _parser("remove-machine", rest="machines", flags=_REMOVAL),
        _remove_machine,
    ),
    "remove-relation": (lambda: _parser("remove-relation", "one", "other"), _remove_relation),
    "remove-unit": (
        lambda: _parser("remove-unit", rest="units", flags=_REMOVAL),
        _remove_unit,
    ),
    "run": (lambda: _parser("run", "unit", "action", rest="parameters"), _run),
    "status": (lambda: _parser("status"), _status),
    "update-secret": (lambda: _parser("update-secret", "name", rest="content"), _update_secret),
}
