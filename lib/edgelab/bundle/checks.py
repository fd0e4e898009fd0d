"""What Juju refuses in a bundle whatever its charms are."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from edgelab import names
from edgelab.bundle import placement
from edgelab.bundle.declared import Application, Bundle, Placement
from edgelab.bundle.source import Problem


def problems(bundle: Bundle, *, trusted: bool) -> Iterator[Problem]:
    """Yield what is wrong with a bundle by itself."""
    for application in bundle.applications.values():
        yield from _charm(application, bundle)
        yield from _resources(application)
        yield from _exposure(application)
        yield from _placements(application, bundle)
        if application.trust and not trusted:
            text = f"{application.name} asks for cloud credentials: deploy with --trust if it may"
            yield Problem(application.at("trust"), text)
    yield from _machines(bundle)
    yield from _names(bundle)


def _charm(application: Application, bundle: Bundle) -> Iterator[Problem]:
    name, place = application.name, application.at("charm")
    if not application.charm:
        # An overlay that misspells an application declares another one.
        others = [each for each in bundle.applications if each != name]
        yield Problem(place, f"application {name} has no charm{names.meant(name, others)}")
        return
    if application.charm_path is not None:
        if application.revision is not None or application.channel:
            key = "revision" if application.revision is not None else "channel"
            yield Problem(application.at(key), f"{key} is for charms of Charmhub, not for files")
        return
    match = names.STORE_CHARM.fullmatch(application.charm)
    if match is None:
        text = f"{application.charm!r} is neither a charm of Charmhub nor a path (./… or /…)"
        yield Problem(place, text)
    elif match["revision"]:
        text = f"say charm: {match['name']} and revision: {match['revision']}, with a channel"
        yield Problem(place, text)
    if application.revision is not None and not application.channel:
        text = f"{name} has a revision: say from which channel later ones come, channel: …"
        yield Problem(application.at("revision"), text)


def _resources(application: Application) -> Iterator[Problem]:
    for name, value in application.resources.items():
        if isinstance(value, pathlib.Path) and not value.is_file():
            text = f"resource {name}: there is no file {value}"
            yield Problem(application.at("resources", name), text)


def _exposure(application: Application) -> Iterator[Problem]:
    if application.expose and application.exposed_endpoints:
        text = "expose: true opens everything: leave it out where exposed-endpoints is given"
        yield Problem(application.at("expose"), text)


def _placements(application: Application, bundle: Bundle) -> Iterator[Problem]:
    if len(application.to) > application.num_units:
        units = names.counted(application.num_units, "unit")
        text = f"{application.name} has {units}, but a placement for {len(application.to)}"
        place = application.to[application.num_units].place
        yield Problem(place, f"{text}: raise num_units or take one out of to")
    seen: set[Problem] = set()
    for each in (*application.to, *placement.wanted(application)):
        text = _placement(each, application, bundle)
        if text and Problem(each.place, text) not in seen:
            seen.add(Problem(each.place, text))
            yield Problem(each.place, text)


def _placement(each: Placement, application: Application, bundle: Bundle) -> str:
    """Return what is wrong with a placement; empty if nothing is."""
    if each.machine and each.machine != placement.NEW:
        return _on_machine(each, application, bundle)
    if not each.application:
        return ""
    target = bundle.applications.get(each.application)
    if target is None:
        known = names.hint(each.application, bundle.applications)
        return f"placement {each.text!r}: there is no application {each.application!r}{known}"
    if target is application:
        return f"placement {each.text!r}: {application.name} is placed beside itself"
    if each.unit is not None and each.unit >= target.num_units:
        units = f"{target.name} has {names.counted(target.num_units, 'unit')}"
        return f"placement {each.text!r}: {units}, there is no {target.name}/{each.unit}"
    return ""


def _on_machine(each: Placement, application: Application, bundle: Bundle) -> str:
    machine = bundle.machines.get(each.machine)
    if machine is None:
        known = names.hint(each.machine, bundle.machines)
        more = " (the machines of an overlay replace those of the bundle)" if known else ""
        return f"placement {each.text!r}: machine {each.machine} is not declared{known}{more}"
    base, other = bundle.base(application), machine.base.partition("/")[0]
    if base and other and base != other and not each.container:
        return f"{application.name} runs on {base}, machine {machine.name} on {other}"
    return ""


def _machines(bundle: Bundle) -> Iterator[Problem]:
    used = {each.machine for app in bundle.applications.values() for each in app.to}
    for machine in bundle.machines.values():
        if machine.name not in used:
            text = f"machine {machine.name} is not used by any placement"
            yield Problem(machine.place, f"{text}: take it out, or name it in a to")


def _names(bundle: Bundle) -> Iterator[Problem]:
    for name, saas in bundle.saas.items():
        if name in bundle.applications:
            yield Problem(saas.place, f"{name} is an application of this bundle too: rename one")
