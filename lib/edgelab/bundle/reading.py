"""From bundle files to a bundle that Juju takes, or to everything that is wrong with it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable

from edgelab import charmcraft
from edgelab.bundle import (
    charm_checks,
    charms,
    checks,
    keys,
    overlays,
    parsing,
    placement,
    relation_checks,
    source,
)
from edgelab.bundle.declared import Bundle
from edgelab.bundle.source import BundleError, Node, Place, Problem


def read(
    path: str | pathlib.Path,
    overlays: Iterable[str | pathlib.Path] = (),
    *,
    packed: bool = False,
    trusted: bool = True,
) -> Bundle:
    """Read a bundle file with overlays on top, and check it against its charms.

    Args:
        path: the bundle file; documents after its first one are overlays too.
        overlays: overlay files, in the order in which they apply.
        packed: insist on packed charms, as Juju does; else their sources do.
        trusted: whether applications that ask for cloud credentials may have them.

    Raises BundleError with every problem at once, each with its file and line.
    """
    bundle = examine(path, overlays, packed=packed, trusted=trusted)
    if bundle.problems:
        raise BundleError(bundle.problems)
    return bundle


def examine(
    path: str | pathlib.Path,
    overlays: Iterable[str | pathlib.Path] = (),
    *,
    packed: bool = False,
    trusted: bool = True,
) -> Bundle:
    """Read a bundle as :func:`read` does, but return it with its problems.

    Raises BundleError only if a file cannot be read at all.
    """
    files = [pathlib.Path(path), *(pathlib.Path(overlay) for overlay in overlays)]
    problems: list[Problem] = []
    bundle = parsing.parse(_merged(files, problems), files, problems)
    bundle = _with_charms(bundle, problems, packed=packed)
    problems.extend(checks.problems(bundle, trusted=trusted))
    problems.extend(charm_checks.problems(bundle))
    relations = relation_checks.resolve(bundle, problems)
    if not problems:
        problems.extend(_circles(bundle))
    return dataclasses.replace(bundle, relations=relations, problems=tuple(sorted(set(problems))))


def _merged(files: list[pathlib.Path], problems: list[Problem]) -> Node:
    """Return the documents of all files as one."""
    documents = [each for file in files for each in source.documents(file, problems)]
    if not documents or documents[0].place.file != files[0]:
        raise BundleError([Problem(Place(files[0], 1), "the bundle is empty")])
    base, *later = documents
    problems.extend(keys.problems(base, is_overlay=False))
    for document in later:
        problems.extend(keys.problems(document, is_overlay=True))
        base = overlays.merge(base, document, problems)
    return base


def _with_charms(bundle: Bundle, problems: list[Problem], *, packed: bool) -> Bundle:
    found: dict[str, charmcraft.CharmInfo] = {}
    for name, application in bundle.applications.items():
        try:
            charm = charms.find(application, packed=packed)
        except charmcraft.CharmError as e:
            problems.append(Problem(application.at("charm"), f"application {name}: {e}"))
            continue
        if charm is not None:
            found[name] = charm
    return dataclasses.replace(bundle, charms=found)


def _circles(bundle: Bundle) -> list[Problem]:
    try:
        placement.assign(bundle)
    except placement.PlacementError as e:
        return [Problem(bundle.place, str(e))]
    return []
