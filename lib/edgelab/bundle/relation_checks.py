"""Which endpoints a relation connects, and which relations Juju refuses."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterator

from edgelab import charmcraft, names
from edgelab.bundle.declared import Bundle, End, Relation
from edgelab.bundle.source import Place, Problem

_DOES = {"provides": "provide", "requires": "require"}


class _RefusedError(Exception):
    """A relation that Juju refuses, and the line to look at."""

    def __init__(self, place: Place, text: str):
        super().__init__(text)
        self.place = place


def resolve(bundle: Bundle, problems: list[Problem]) -> tuple[Relation, ...]:
    """Return the relations with their endpoints named; note those that Juju refuses.

    Ends whose charm is not at hand stay as they are.
    """
    seen: dict[frozenset[End], Relation] = {}
    for relation in bundle.relations:
        try:
            ends = _ends(bundle, relation)
        except _RefusedError as e:
            problems.append(Problem(e.place, f"relation {relation}: {e}"))
            continue
        first = seen.setdefault(frozenset(ends), dataclasses.replace(relation, ends=ends))
        if first.place != relation.place:
            text = f"relation {relation}: made on line {first.place.line} already"
            problems.append(Problem(relation.place, text))
    problems.extend(_beyond_limit(bundle, tuple(seen.values())))
    return tuple(seen.values())


def _ends(bundle: Bundle, relation: Relation) -> tuple[End, End]:
    """Return both ends with their endpoints. Raises _RefusedError."""
    left, right = relation.ends
    if left.application == right.application:
        text = "an application cannot be related to itself"
        raise _RefusedError(relation.place, text)
    lefts, rights = _offered(bundle, left), _offered(bundle, right)
    if lefts is None or rights is None:
        return relation.ends
    fitting = [(a, b) for a, b in itertools.product(lefts, rights) if _fit(a, b)]
    # What every charm provides counts only where nothing else is meant.
    explicit = [pair for pair in fitting if charmcraft.JUJU_INFO not in pair]
    chosen = fitting if len(fitting) == 1 else explicit
    if len(chosen) != 1:
        text = _misfit(relation, lefts, rights) if not fitting else _ambiguous(relation, fitting)
        raise _RefusedError(relation.place, text)
    a, b = chosen[0]
    _check_scope(bundle, relation, a, b)
    return (
        dataclasses.replace(left, endpoint=a.name),
        dataclasses.replace(right, endpoint=b.name),
    )


def _offered(bundle: Bundle, end: End) -> list[charmcraft.Endpoint] | None:
    """Return the endpoints that an end may mean; None if its charm is not at hand."""
    known = {**bundle.saas, **bundle.applications}
    if end.application not in known:
        hint = names.hint(end.application, known)
        raise _RefusedError(end.place, f"there is no application {end.application!r}{hint}")
    charm = bundle.charms.get(end.application)
    if charm is None:
        return None
    usable = [each for each in charm.endpoints.values() if each.role != "peers"]
    if not end.endpoint:
        return [*usable, charmcraft.JUJU_INFO]
    found = charm.endpoint(end.endpoint)
    if found is None:
        hint = names.hint(end.endpoint, [each.name for each in usable])
        text = f"charm {charm.name} has no endpoint {end.endpoint!r}{hint}"
        raise _RefusedError(end.place, text)
    if found.role == "peers":
        text = f"{end} is a peer endpoint: Juju relates the units of an application by itself"
        raise _RefusedError(end.place, text)
    return [found]


def _fit(a: charmcraft.Endpoint, b: charmcraft.Endpoint) -> bool:
    return a.interface == b.interface and a.role != b.role


def _misfit(
    relation: Relation, lefts: list[charmcraft.Endpoint], rights: list[charmcraft.Endpoint]
) -> str:
    """Return why no two endpoints fit together."""
    if len(lefts) > 1 or len(rights) > 1:
        left, right = relation.ends
        return f"no endpoint of {left.application} fits one of {right.application}"
    (a,), (b,) = lefts, rights
    if a.role == b.role:
        return f"both ends {_DOES[a.role]} {a.interface}: it takes a provider and a requirer"
    return f"interfaces differ, {a.interface} and {b.interface}"


def _ambiguous(
    relation: Relation, pairs: list[tuple[charmcraft.Endpoint, charmcraft.Endpoint]]
) -> str:
    left, right = (end.application for end in relation.ends)
    choices = (f"[{left}:{a.name}, {right}:{b.name}]" for a, b in pairs)
    return f"ambiguous; say {' or '.join(choices)}"


def _check_scope(
    bundle: Bundle, relation: Relation, a: charmcraft.Endpoint, b: charmcraft.Endpoint
) -> None:
    """Refuse a relation within machines if nothing there is a subordinate. Raises."""
    if "container" not in (a.scope, b.scope):
        return
    left, right = (end.application for end in relation.ends)
    if not (bundle.charms[left].subordinate or bundle.charms[right].subordinate):
        text = "its scope is container, so one of the two must be a subordinate charm"
        raise _RefusedError(relation.place, text)
    bases = [bundle.base(bundle.applications[name]) for name in (left, right)]
    if all(bases) and bases[0] != bases[1]:
        text = f"both share machines, but {left} runs on {bases[0]} and {right} on {bases[1]}"
        raise _RefusedError(relation.place, text)


def _beyond_limit(bundle: Bundle, relations: tuple[Relation, ...]) -> Iterator[Problem]:
    count: collections.Counter[End] = collections.Counter()
    for relation in relations:
        for end in relation.ends:
            charm = bundle.charms.get(end.application)
            endpoint = charm.endpoint(end.endpoint) if charm else None
            count[end] += 1
            if endpoint and endpoint.limit is not None and count[end] > endpoint.limit:
                text = f"relation {relation}: {end} takes at most {endpoint.limit} of them"
                yield Problem(relation.place, text)
