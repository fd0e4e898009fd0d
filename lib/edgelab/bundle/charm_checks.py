"""What Juju refuses because a charm does not offer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgelab import charmcraft, names
from edgelab.bundle import placement
from edgelab.bundle.declared import Application, Bundle
from edgelab.bundle.source import Place, Problem, Scalar

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a text"),
    "secret": ((str,), "the id of a secret"),
    "int": ((int,), "a whole number"),
    "float": ((float, int), "a number"),
    "boolean": ((bool,), "true or false"),
}


def problems(bundle: Bundle) -> Iterator[Problem]:
    """Yield what the charms of a bundle do not offer."""
    for name, charm in bundle.charms.items():
        application = bundle.applications[name]
        yield from _options(application, charm)
        yield from _names(application, charm)
        yield from _storage(application, charm)
        yield from _kind(application, charm)
        yield from _base(application, charm, bundle)
        yield from _architecture(application, charm, bundle)


def _options(application: Application, charm: charmcraft.CharmInfo) -> Iterator[Problem]:
    for name, value in application.options.items():
        place = application.at("options", name)
        option = charm.options.get(name)
        if option is None:
            hint = names.hint(name, charm.options)
            yield Problem(place, f"charm {charm.name} has no option {name!r}{hint}")
            continue
        types, meant = _TYPES[option.type]
        if not isinstance(value, types) or (isinstance(value, bool) and option.type != "boolean"):
            text = f"option {name} of {charm.name} is {meant}, not {_written(value)}"
            yield Problem(place, text)
        elif option.type == "secret" and value and not str(value).startswith("secret:"):
            text = f"option {name} takes the id of a secret: `juju add-secret`, then secret:…"
            yield Problem(place, text)


def _written(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, str) else str(value)


def _names(application: Application, charm: charmcraft.CharmInfo) -> Iterator[Problem]:
    """Yield the resources, bindings, offers and endpoints that a charm does not declare."""
    endpoints = {*charm.endpoints, charmcraft.JUJU_INFO.name}
    for key, kind, given, known in (
        ("resources", "resource", application.resources, charm.resources),
        ("bindings", "endpoint", application.bindings, {"", *endpoints, *charm.extra_bindings}),
        ("exposed-endpoints", "endpoint", application.exposed_endpoints, {"", *endpoints}),
    ):
        for name in given:
            if name not in known:
                text = f"charm {charm.name} has no {kind} {name!r}{names.hint(name, known)}"
                yield Problem(application.at(key, name), text)
    for offer in application.offers.values():
        for name in offer.endpoints:
            if name not in endpoints:
                text = f"charm {charm.name} has no endpoint {name!r}{names.hint(name, endpoints)}"
                yield Problem(offer.at("endpoints"), text)


def _storage(application: Application, charm: charmcraft.CharmInfo) -> Iterator[Problem]:
    for name, directive in application.storage.items():
        place = application.at("storage", name)
        storage = charm.storage.get(name)
        if storage is None:
            text = f"charm {charm.name} has no storage {name!r}{names.hint(name, charm.storage)}"
            yield Problem(place, text)
        elif directive.count < storage.minimum:
            least = names.counted(storage.minimum, "instance")
            yield Problem(place, f"storage {name} needs at least {least}")
        elif storage.maximum is not None and directive.count > storage.maximum:
            most = names.counted(storage.maximum, "instance")
            yield Problem(place, f"storage {name} takes at most {most}")


def _kind(application: Application, charm: charmcraft.CharmInfo) -> Iterator[Problem]:
    if any(each.startswith("k8s-api") for each in charm.assumes):
        text = f"charm {charm.name} runs on Kubernetes, not on machines"
        yield Problem(application.at("charm"), text)
    if not charm.subordinate:
        return
    if application.num_units:
        text = f"{charm.name} is a subordinate: its units come with those it is related to, 0 here"
        yield Problem(application.at("num_units"), text)
    if application.to:
        text = f"{charm.name} is a subordinate: it goes where its principal is, without to"
        yield Problem(application.at("to"), text)
    requires = [each for each in charm.endpoints.values() if each.role == "requires"]
    if not any(each.scope == "container" for each in requires):
        text = f"{charm.name} is a subordinate, but none of its requires has scope: container"
        yield Problem(application.at("charm"), text)


def _base(
    application: Application, charm: charmcraft.CharmInfo, bundle: Bundle
) -> Iterator[Problem]:
    base = bundle.base(application)
    if base and charm.bases and base not in charm.bases:
        # The charm's line: the default base of a bundle is often the right one.
        place = application.at("base") if application.base else application.at("charm")
        text = f"{application.charm} runs on {names.listed(charm.bases)}, not on {base}"
        yield Problem(place, text)


def _architecture(
    application: Application, charm: charmcraft.CharmInfo, bundle: Bundle
) -> Iterator[Problem]:
    offered = charm.architectures
    for arch, place in set(_architectures(application, bundle)):
        if offered and "all" not in offered and arch not in offered:
            text = f"{application.charm} runs on {names.listed(offered)}, not on {arch}"
            yield Problem(place, text)


def _architectures(application: Application, bundle: Bundle) -> Iterator[tuple[str, Place]]:
    """Yield the processors that units are to run on, and where that is said."""
    if application.constraints.arch:
        yield application.constraints.arch, application.at("constraints")
    for each in placement.wanted(application):
        machine = bundle.machines.get(each.machine)
        if machine is not None and machine.constraints.arch:
            yield machine.constraints.arch, machine.at("constraints")
