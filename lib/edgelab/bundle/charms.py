"""Where the charms of a bundle are: packed files, their sources, or Charmhub."""

from __future__ import annotations

import pathlib

from edgelab import charmcraft, names
from edgelab.bundle.declared import Application


def find(application: Application, *, packed: bool) -> charmcraft.CharmInfo | None:
    """Return the charm of an application; None if it is one of Charmhub's and not at hand.

    The sources stand for the packed file that comes of them, ``charms/NAME`` in a folder above
    for ``NAME_PLATFORM.charm``, unless ``packed`` insists on the file itself. Raises
    charmcraft.CharmError.
    """
    if application.charm_path is None:
        return _of_store(application)
    path = application.charm_path
    if path.is_dir():
        raise charmcraft.CharmError(
            f"{application.charm} is a folder: Juju 4 deploys packed charms only, "
            f"such as ./{path.resolve().name}_PLATFORM.charm"
        )
    name, _, platform = path.name.removesuffix(".charm").partition("_")
    source = _source(path, name)
    if source is None or (packed and path.exists()):
        if not path.exists():
            raise charmcraft.CharmError(f"there is no {application.charm}{_nearby(path)}")
        return charmcraft.read(path)
    charm = charmcraft.read(source)
    built = [each.name for each in charm.platforms]
    if platform not in built:
        files = [f"{name}_{each}.charm" for each in built]
        raise charmcraft.CharmError(
            f"no build of {name} is called {path.name}{names.hint(path.name, files)}"
        )
    if packed:
        raise charmcraft.CharmError(f"{application.charm} is not packed yet: `tox run -e pack`")
    return charm.only(platform)


def _of_store(application: Application) -> charmcraft.CharmInfo | None:
    match = names.STORE_CHARM.fullmatch(application.charm)
    if match is None:
        return None
    source = _source(application.at("charm").file, match["name"])
    return charmcraft.read(source) if source else None


def _source(near: pathlib.Path, name: str) -> pathlib.Path | None:
    """Return the folder ``charms/NAME`` in a folder above; None if there is none."""
    for parent in near.resolve().parents:
        if name and (parent / "charms" / name / "charmcraft.yaml").is_file():
            return parent / "charms" / name
    return None


def _nearby(path: pathlib.Path) -> str:
    return names.hint(path.name, (each.name for each in path.parent.glob("*.charm")))
