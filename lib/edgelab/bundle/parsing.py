"""From a bundle as it was written to what it declares, noting what cannot be meant."""

from __future__ import annotations

import base64
import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from edgelab import names
from edgelab.bundle import constraints, placement
from edgelab.bundle.declared import (
    Application,
    Bundle,
    End,
    Machine,
    Offer,
    Placement,
    Places,
    Relation,
    Saas,
    StorageDirective,
)
from edgelab.bundle.fields import Fields
from edgelab.bundle.source import Node, Place, Problem, Scalar

BASES = ("ubuntu@20.04", "ubuntu@22.04", "ubuntu@24.04", "ubuntu@26.04")
_RISKS = ("stable", "candidate", "beta", "edge")
_INCLUDES: Mapping[str, Callable[[bytes], str]] = {
    "include-file://": lambda content: content.decode("utf-8"),
    "include-base64://": lambda content: base64.b64encode(content).decode("ascii"),
}


def parse(tree: Node, files: Sequence[pathlib.Path], problems: list[Problem]) -> Bundle:
    """Return what a bundle declares; add to ``problems`` what cannot be meant."""
    parser = _Parser(files[0].parent, problems)
    fields = Fields(tree, "the bundle", problems)
    if fields.text("bundle"):
        fields.refuse("bundle", "only bundles for machines are read, not those for Kubernetes")
    given = tree.entries.get("applications")
    if given is None or given.value in (None, {}):
        fields.refuse("applications", "a bundle needs at least one application")
    return Bundle(
        files=tuple(files),
        place=tree.place,
        applications=dict(parser.applications(fields)),
        machines=dict(parser.machines(fields)),
        relations=tuple(parser.relations(fields)),
        saas=dict(parser.saas(fields)),
        default_base=parser.base(fields, "default-base"),
        description=fields.text("description"),
        tags=fields.words("tags"),
    )


def _places(node: Node) -> Places:
    """Return where everything in an entry stands, by the keys that lead to it."""
    found: dict[tuple[str, ...], Place] = {}

    def walk(entries: Mapping[str, Node], path: tuple[str, ...]) -> None:
        for key, value in entries.items():
            found[(*path, key)] = value.place
            walk(value.entries, (*path, key))
            for number, item in enumerate(value.items):
                found[(*path, key, str(number))] = item.place

    walk(node.entries, ())
    return found


class _Parser:
    """Knows the folder of the bundle, and collects problems."""

    def __init__(self, folder: pathlib.Path, problems: list[Problem]):
        self._folder = folder
        self._problems = problems

    def _refuse(self, place: Place, text: str) -> None:
        self._problems.append(Problem(place, text))

    def applications(self, bundle: Fields) -> Iterator[tuple[str, Application]]:
        for name, node in bundle.mapping("applications").items():
            if not names.APPLICATION.fullmatch(name):
                self._refuse(node.place, _bad_name("application", name))
            if node.value is None:
                self._refuse(node.place, f"application {name} says nothing: it needs a charm")
            yield name, self._application(name, node)

    def _application(self, name: str, node: Node) -> Application:
        fields = Fields(node, f"application {name}", self._problems)
        return Application(
            name=name,
            place=node.place,
            places=_places(node),
            charm=fields.text("charm"),
            charm_path=_charm_path(fields),
            channel=fields.text("channel"),
            revision=fields.number("revision"),
            base=self.base(fields, "base"),
            num_units=self._num_units(fields),
            to=tuple(self._placements(fields)),
            options=dict(self._options(fields)),
            constraints=self._constraints(fields),
            annotations=dict(self._annotations(fields)),
            resources=dict(self._resources(fields)),
            storage=dict(self._storage(fields)),
            devices=fields.texts("devices"),
            bindings=fields.texts("bindings"),
            offers=dict(self._offers(fields)),
            exposed_endpoints=tuple(fields.mapping("exposed-endpoints")),
            expose=fields.flag("expose"),
            trust=fields.flag("trust"),
            plan=fields.text("plan"),
        )

    def machines(self, bundle: Fields) -> Iterator[tuple[str, Machine]]:
        for name, node in bundle.mapping("machines").items():
            if not names.MACHINE.fullmatch(name):
                self._refuse(node.place, f"machine {name!r}: machines are numbered 0, 1, 2…")
            fields = Fields(node, f"machine {name}", self._problems)
            yield (
                name,
                Machine(
                    name=name,
                    place=node.place,
                    places=_places(node),
                    base=self.base(fields, "base"),
                    constraints=self._constraints(fields),
                    annotations=dict(self._annotations(fields)),
                ),
            )

    def saas(self, bundle: Fields) -> Iterator[tuple[str, Saas]]:
        for name, node in bundle.mapping("saas").items():
            fields = Fields(node, f"saas {name}", self._problems)
            url = fields.text("url")
            if not names.APPLICATION.fullmatch(name):
                self._refuse(node.place, _bad_name("saas", name))
            if not names.OFFER_URL.fullmatch(url):
                text = f"saas {name}: {url!r} is no URL of an offer, such as admin/site.cluster"
                self._refuse(fields.at("url"), text)
            yield name, Saas(name, node.place, _places(node), url)

    def relations(self, bundle: Fields) -> Iterator[Relation]:
        for node in bundle.items("relations"):
            ends = [names.RELATION_END.fullmatch(each.text) for each in node.items]
            if len(ends) != 2:
                self._refuse(node.place, "a relation is a list of two ends: [app:endpoint, app]")
                continue
            for end, each in zip(ends, node.items, strict=True):
                if end is None:
                    text = f"{each.text!r} is neither application nor application:endpoint"
                    self._refuse(each.place, text)
            left, right = (
                End(end["application"], end["endpoint"] or "", each.place) if end else None
                for end, each in zip(ends, node.items, strict=True)
            )
            if left and right:
                yield Relation(node.place, (left, right))

    def base(self, fields: Fields, key: str) -> str:
        text = fields.text(key)
        base, _, risk = text.partition("/")
        if text and (base not in BASES or risk not in ("", *_RISKS)):
            known = [*BASES, *(f"{each}/stable" for each in BASES)]
            fields.refuse(key, f"{key}: {text!r} is no base of Juju's{names.hint(text, known)}")
            return ""
        return text

    def _num_units(self, fields: Fields) -> int:
        units, scale = fields.number("num_units"), fields.number("scale")
        if units is not None and scale is not None:
            fields.refuse("scale", "scale is another word for num_units: give one of them")
        return units or scale or 0

    def _placements(self, fields: Fields) -> Iterator[Placement]:
        for node in fields.items("to"):
            parsed = self._placement(node)
            if parsed is not None:
                yield parsed

    def _placement(self, node: Node) -> Placement | None:
        try:
            return placement.parse(node.text, node.place)
        except placement.PlacementError as e:
            self._refuse(node.place, str(e))
            return None

    def _constraints(self, fields: Fields) -> constraints.Constraints:
        try:
            return constraints.parse(fields.text("constraints"))
        except constraints.ConstraintError as e:
            fields.refuse("constraints", str(e))
            return constraints.Constraints()

    def _options(self, fields: Fields) -> Iterator[tuple[str, Scalar]]:
        for name, node in fields.mapping("options").items():
            if isinstance(node.value, (tuple, Mapping)):
                self._refuse(node.place, f"option {name} is one value, not a list or mapping")
            elif node.value is not None:
                included = self._included(node)
                yield name, node.value if included is None else included

    def _annotations(self, fields: Fields) -> Iterator[tuple[str, str]]:
        texts = fields.texts("annotations")
        for name, node in fields.mapping("annotations").items():
            included = self._included(node)
            yield name, texts[name] if included is None else included

    def _included(self, node: Node) -> str | None:
        """Return what an ``include-…://`` value stands for; None if it is none."""
        for prefix, decode in _INCLUDES.items():
            if isinstance(node.value, str) and node.value.startswith(prefix):
                file = node.place.file.parent / node.value.removeprefix(prefix)
                try:
                    return decode(file.read_bytes())
                except (OSError, UnicodeDecodeError) as e:
                    why = e.strerror if isinstance(e, OSError) else "is not UTF-8 text"
                    self._refuse(node.place, f"cannot include {file}: {why}")
                    return ""
        return None

    def _resources(self, fields: Fields) -> Iterator[tuple[str, int | pathlib.Path]]:
        for name, node in fields.mapping("resources").items():
            if isinstance(node.value, str):
                # Juju looks beside the bundle, also for what an overlay names.
                yield name, self._folder / node.value
            elif isinstance(node.value, int) and not isinstance(node.value, bool):
                yield name, node.value
            else:
                text = f"resource {name} is a path or the number of a revision, not {node.text!r}"
                self._refuse(node.place, text)

    def _storage(self, fields: Fields) -> Iterator[tuple[str, StorageDirective]]:
        for name, text in fields.texts("storage").items():
            directive = _directive(text)
            if directive is None:
                known = f"storage {name}: {text!r} is not of the form pool,count,size"
                self._refuse(fields.at("storage", name), known)
            else:
                yield name, directive

    def _offers(self, fields: Fields) -> Iterator[tuple[str, Offer]]:
        for name, node in fields.mapping("offers").items():
            if not names.APPLICATION.fullmatch(name):
                self._refuse(node.place, _bad_name("offer", name))
            offer = Fields(node, f"offer {name}", self._problems)
            endpoints, acl = offer.words("endpoints"), offer.texts("acl")
            yield name, Offer(name, node.place, _places(node), endpoints, acl)


def _charm_path(fields: Fields) -> pathlib.Path | None:
    """Return the path of a local charm, which is relative to the file that names it."""
    text = fields.text("charm").removeprefix("local:")
    if text.startswith((".", "/")):
        return fields.at("charm").file.parent / text
    return None


def _directive(text: str) -> StorageDirective | None:
    """Read what a bundle says of storage: any of pool, count and size, in any order."""
    found = StorageDirective()
    for word in text.split(","):
        if re.fullmatch(r"[0-9]+", word):
            found = dataclasses.replace(found, count=int(word))
        elif re.fullmatch(r"[0-9]+(\.[0-9]*)?[MGTP](i?B)?", word):
            size_mb = constraints.parse(f"mem={re.sub('i?B$', '', word)}").mem_mb
            found = dataclasses.replace(found, size_mb=size_mb)
        elif re.fullmatch(r"[a-zA-Z][a-zA-Z0-9?!_-]*", word):
            found = dataclasses.replace(found, pool=word)
        else:
            return None
    return found


def _bad_name(kind: str, name: str) -> str:
    return (
        f"{kind} {name!r}: names are lower-case words and digits divided by hyphens, "
        "with a letter in every part and first of all"
    )
