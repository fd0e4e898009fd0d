"""One unit of an unpacked charm, which can be dispatched without Juju and without a machine."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from standins import hook_command

HERE = pathlib.Path(__file__).resolve().parent
# Commands that change something and answer nothing; what they are told may differ each time.
SILENT = ("-set", "-log", "-delete", "-grant", "-revoke", "-port", "-fail")
UUID = "b6f2c1de-0000-4000-8000-000000000001"


class Unit:
    """A unit in a scratch folder: hook commands, a model around it, and its machine's files."""

    def __init__(
        self,
        charm: pathlib.Path,
        scratch: pathlib.Path,
        *,
        python: str = sys.executable,
        name: str = "standin/0",
        machine: pathlib.Path | None = None,
    ):
        """Put the stand-ins in place.

        Args:
            charm: the folder of an unpacked charm.
            scratch: a folder for the stand-ins; made if it does not exist.
            python: the interpreter that the charm's ``python3`` stands for.
            name: the unit's name.
            machine: the root of its machine's file system. The charm must ship edgecloud then.
        """
        self.charm = charm.resolve()
        self.name = name
        self.machine = machine.resolve() if machine else None
        self._commands = scratch.resolve() / "bin"
        self._commands.mkdir(parents=True, exist_ok=True)
        self._place = scratch.resolve() / "model.json"
        for command in hook_command.COMMANDS:
            # -I and -S: no environment, no site-packages. Juju's own commands start fast too.
            self._executable(command, f"{sys.executable} -IS {HERE}/hook_command.py {command}")
        # -S: what is installed on this machine must not stand in for what the charm lacks.
        self._executable("python3", f"{python} -S {HERE}/interpreter.py")
        self.set_model({})

    def set_model(self, changes: Mapping[str, Any]) -> None:
        """Describe the model around the unit; what is not named is as on a lonely new unit."""
        unknown: dict[str, Any] = {"status": "unknown", "message": "", "status-data": {}}
        state: dict[str, Any] = {
            "unit": self.name,
            "leader": True,
            "config": {},
            "relations": [],
            "secrets": {},
            "resources": {},
            "stored": {},
            "address": "10.20.0.11",
            "unit_status": unknown,
            "application_status": unknown,
            "version": "",
            **changes,
        }
        self._place.write_text(json.dumps(state), encoding="utf-8")

    @property
    def model(self) -> Mapping[str, Any]:
        """The model around the unit, with what the charm has changed in it."""
        return json.loads(self._place.read_text(encoding="utf-8"))

    def dispatch(
        self,
        event: str,
        *,
        timeout_s: float = 60,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the charm's ``dispatch`` for a hook, as Juju does; return what it printed."""
        self._calls.unlink(missing_ok=True)
        return subprocess.run(
            [str(self.charm / "dispatch")],
            cwd=self.charm,
            env={**self._environment(event), **(environment or {})},
            timeout=timeout_s,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def calls(self) -> list[Sequence[str]]:
        """Return the hook commands that the last dispatch called, with their arguments.

        Of a frozen unit, only the names are known.
        """
        return [call for call, _, _ in self._noted()]

    def log(self) -> str:
        """Return what the last dispatch wrote to Juju's log, which is where ops puts failures."""
        return "\n".join(call[-1] for call in self.calls() if call[0] == "juju-log")

    def freeze(self) -> None:
        """Let the hook commands answer as they did in the last dispatch, whatever else changes.

        They are shell scripts then, which cost a tenth. A question that was not asked in that
        dispatch fails.
        """
        answers: dict[str, dict[str, tuple[str, int]]] = {}
        for (name, *arguments), printed, code in self._noted():
            answers.setdefault(name, {})[" ".join(arguments)] = (printed, code)
        for name in hook_command.COMMANDS:
            note = shlex.quote(json.dumps([[name], "", 0]))
            lines = [f"echo {note} >> {shlex.quote(str(self._calls))}"]
            if not name.endswith(SILENT):
                lines += [
                    f'[ "$*" = {shlex.quote(arguments)} ] && {_saying(printed, code)}'
                    for arguments, (printed, code) in answers.get(name, {}).items()
                ]
                lines.append('echo "not asked before: $0 $*" >&2; exit 99')
            self._script(name, "\n".join(lines))

    def _noted(self) -> list[tuple[list[str], str, int]]:
        """Return the calls of the last dispatch: command line, what it printed, exit code."""
        if not self._calls.exists():
            return []
        lines = self._calls.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @property
    def _calls(self) -> pathlib.Path:
        return self._place.with_name(f"{self._place.name}.calls")

    def _environment(self, event: str) -> dict[str, str]:
        """Return the variables of a hook, and nothing of this process's but what runs need."""
        return {
            "PATH": f"{self._commands}:{os.environ['PATH']}",
            "HOME": str(self._place.parent),
            "LANG": "C.UTF-8",
            "STANDIN_MODEL": str(self._place),
            "STANDIN_ROOT": str(self.machine or ""),
            "JUJU_CHARM_DIR": str(self.charm),
            "JUJU_DISPATCH_PATH": f"hooks/{event}",
            "JUJU_HOOK_NAME": event,
            "JUJU_UNIT_NAME": self.name,
            "JUJU_MODEL_NAME": "site",
            "JUJU_MODEL_UUID": UUID,
            "JUJU_MACHINE_ID": "0",
            "JUJU_AVAILABILITY_ZONE": "",
            "JUJU_VERSION": "3.6.1",
            "JUJU_PRINCIPAL_UNIT": "",
        }

    def _executable(self, name: str, command: str) -> None:
        """Make a program that runs a command line with its own arguments appended."""
        self._script(name, f'exec {command} "$@"')

    def _script(self, name: str, text: str) -> None:
        """Make a program of shell commands."""
        file = self._commands / name
        file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        file.chmod(0o755)


def _saying(printed: str, code: int) -> str:
    """Return the shell commands that print something and exit, without another process."""
    target = " >&2" if code else ""
    return f"{{ printf %s {shlex.quote(printed)}{target}; exit {code}; }}"


def relation(
    identifier: int,
    endpoint: str,
    application: str,
    *,
    units: Mapping[str, Mapping[str, str]] | None = None,
    **databags: Mapping[str, str],
) -> dict[str, Any]:
    """Describe a relation for :meth:`Unit.set_model`.

    The databags are ``own_unit``, ``own_application`` and ``remote_application``.
    """
    bags: dict[str, Any] = {
        "own_unit": {},
        "own_application": {},
        "remote_application": {},
        **databags,
    }
    return {
        "id": identifier,
        "endpoint": endpoint,
        "application": application,
        "units": dict(units or {}),
        **bags,
    }
