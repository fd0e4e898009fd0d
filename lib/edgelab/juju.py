"""Deploy a bundle to the current real Juju model, after the checks that the lab makes too."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any, cast

import jubilant
import jubilant.modeltypes

from edgelab import bundle, names

BY_HAND = ("manual", "unmanaged")
"""The clouds whose machines are added by hand; Juju 4 renamed the one to the other."""

_SITE = """\
    juju add-cloud --client site   # kind: manual (Juju 4: unmanaged), endpoint: ubuntu@ADDRESS
    juju bootstrap site
    juju add-model edge"""
_INSTALL = f"""\
There is no juju client on this machine. Install it, then make a controller and a model, for Pis
on any machine beside them that runs Ubuntu:
    sudo snap install juju
{_SITE}"""
_BOOTSTRAP = f"""\
This juju client knows no controller. Make one and a model, for Pis on any machine beside them that
runs Ubuntu:
{_SITE}
Or take part in one that there is: juju login ADDRESS"""
_MODEL = """\
There is no current model that answers. Make one, or switch to one:
    juju add-model edge
    juju models; juju switch MODEL
Juju says: {words}"""


class JujuError(Exception):
    """Nothing was deployed; the message says what to do."""


def deploy(
    path: str | pathlib.Path,
    overlays: Iterable[str | pathlib.Path] = (),
    *,
    trust: bool = False,
) -> str:
    """Deploy a bundle file with overlays to the current model. Return what Juju did.

    Args:
        path: the bundle file.
        overlays: overlay files, in the order in which they apply.
        trust: give cloud credentials to applications that ask for them.

    Raises bundle.BundleError if Juju would refuse it, JujuError if there is no model for it.
    """
    files = [pathlib.Path(path), *(pathlib.Path(overlay) for overlay in overlays)]
    bundle.read(files[0], files[1:], trusted=trust)
    client = _client(files)
    model = _model(client)
    site = bundle.read(files[0], files[1:], packed=True, trusted=trust)
    arguments = ["deploy", str(files[0].absolute())]
    for overlay in files[1:]:
        arguments += ["--overlay", str(overlay.absolute())]
    if model.type in BY_HAND:
        _check_machines(site, model)
        # Juju cannot make machines there: what the bundle calls 0 is machine 0 of the model.
        arguments.append("--map-machines=existing")
    if trust:
        arguments.append("--trust")
    done = _run(client, *arguments)
    return f"{done.strip()}\n\nDeployed to {model.name}. Watch it come up: juju status".lstrip()


def _client(files: list[pathlib.Path]) -> jubilant.Juju:
    """Return the juju client. Raises JujuError."""
    program = shutil.which("juju")
    if program is None:
        raise JujuError(_INSTALL)
    home = pathlib.Path.home()
    if program.startswith("/snap/"):
        for file in files:
            if not file.resolve().is_relative_to(home):
                text = f"juju is a snap: it reads files below {home} only, so not {file}"
                raise JujuError(f"{text}. Clone this repository there.")
    return jubilant.Juju()


def _model(client: jubilant.Juju) -> jubilant.modeltypes.ModelInfo:
    """Return the current model. Raises JujuError."""
    listed = _run(client, "controllers", "--format", "json")
    controllers = cast("Mapping[str, Any]", json.loads(listed or "{}"))
    if not controllers.get("controllers"):
        raise JujuError(_BOOTSTRAP)
    try:
        model = client.show_model()
    except jubilant.CLIError as e:
        raise JujuError(_MODEL.format(words=_words(e))) from e
    if model.model_type != "iaas":
        text = f"the current model, {model.name}, is one of Kubernetes; the bundle is for machines"
        raise JujuError(f"{text}: juju switch MODEL")
    return model


def _check_machines(site: bundle.Bundle, model: jubilant.modeltypes.ModelInfo) -> None:
    """Make sure that the machines of the bundle were added by hand. Raises JujuError."""
    used = {machine.partition("/")[0] for machine in bundle.assign(site).values()}
    missing = sorted(used - set(model.machines), key=int)
    if missing:
        lines = "\n".join("    juju add-machine ssh:ubuntu@ADDRESS" for _ in missing)
        raise JujuError(
            f"{model.name} lacks machine {names.listed(missing)}. Add one by hand for each:\n"
            f"{lines}\nMachines that units are to share must be named in machines: of the bundle."
        )


def _run(client: jubilant.Juju, *arguments: str) -> str:
    try:
        return client.cli(*arguments)
    except jubilant.CLIError as e:
        raise JujuError(f"juju {arguments[0]} failed: {_words(e)}") from e


def _words(error: jubilant.CLIError) -> str:
    """Return Juju's own words."""
    return str(error.stderr or error.stdout or error).strip()
