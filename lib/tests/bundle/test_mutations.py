"""Random bundles are taken as they are; with one mistake in them, its line is named."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Document = dict[str, Any]
SETTINGS = settings(max_examples=40, deadline=None)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,4}(-[a-z][a-z0-9]{0,3})?", fullmatch=True).filter(
    lambda name: name not in ("new", "lxd")
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text("abc 0:#'\n", min_size=1),
        "count": st.integers(-9, 9),
        "ratio": st.sampled_from([0.5, 2.0, 9.25]),
        "loud": st.booleans(),
        "key": st.just("secret:abc"),
    },
)
CONSTRAINTS = st.sampled_from(["arch=arm64", "mem=4G", "arch=arm64 cores=4 tags=a,b", ""])


def charm(name: str, arch: str = "arm64") -> str:
    return f"./dist/{name}_ubuntu-24.04-{arch}.charm"


@st.composite
def bundles(draw: st.DrawFn) -> Document:
    """A bundle that Juju takes: two stores, a shop, a subordinate, and maybe more of each."""
    store, spare, shop, watch, *more = draw(
        st.lists(NAMES, min_size=4, max_size=7, unique=True), label="names"
    )
    kinds = {store: "store", spare: "store", shop: "shop", watch: "watch"}
    kinds |= {name: draw(st.sampled_from(["store", "shop", "watch"])) for name in more}
    machines = [str(n) for n in range(draw(st.integers(1, 4)))]
    applications = {name: draw(application(kind, machines)) for name, kind in kinds.items()}
    applications[store]["num_units"] = len(machines) + draw(st.integers(0, 2))
    applications[store]["to"] = draw(st.permutations(machines))  # so that all are used
    relations = [[f"{shop}:vault", f"{store}:backup"], [f"{watch}:principal", f"{store}:beside"]]
    relations.append([f"{store}:mirror", f"{spare}:data"])
    return {
        "default-base": draw(st.sampled_from(["ubuntu@24.04", "ubuntu@24.04/stable"])),
        "applications": applications,
        "machines": {name: {"constraints": draw(CONSTRAINTS)} for name in machines},
        "relations": [draw(st.permutations(ends)) for ends in draw(st.permutations(relations))],
    }


@st.composite
def application(draw: st.DrawFn, kind: str, machines: list[str]) -> Document:
    made: Document = {"charm": charm(kind), "annotations": {"x": draw(st.text("ab1"))}}
    if kind == "store":
        made["options"] = draw(OPTIONS)
        made["constraints"] = draw(CONSTRAINTS)
        made["storage"] = {"disk": draw(st.sampled_from(["1G", "2,fast", "fast,1,512M"]))}
    if kind != "watch":
        made["num_units"] = draw(st.integers(0, 3))
        places = [*machines, "new", *(f"lxd:{name}" for name in machines)]
        made["to"] = draw(st.lists(st.sampled_from(places), max_size=made["num_units"]))
    return made


def app(document: Document, kind: str) -> tuple[str, Document]:
    """Return the first application of a charm."""
    found = document["applications"].items()
    return next((name, each) for name, each in found if each["charm"] == charm(kind))


def store(document: Document) -> Document:
    return app(document, "store")[1]


def sub(document: Document) -> Document:
    return app(document, "watch")[1]


def extra(document: Document, **fields: Any) -> Document:
    """Add an application."""
    document["applications"]["zz-extra"] = {"charm": charm("shop"), **fields}
    return document["applications"]["zz-extra"]


def relate(document: Document, *ends: str) -> None:
    document["relations"].append([end.format(**_roles(document)) for end in ends])


def _roles(document: Document) -> dict[str, str]:
    return {kind: app(document, kind)[0] for kind in ("store", "shop", "watch")}


# What to do to a bundle, and how to find the line that must be named.
MUTATIONS: dict[str, tuple[Callable[[Document], object], str]] = {
    "unknown key": (lambda d: d.update(zzkey=1), "zzkey"),
    "series": (lambda d: d.update(series="noble"), "^series"),
    "kubernetes": (lambda d: d.update(bundle="kubernetes"), "^bundle"),
    "bad default base": (lambda d: d.update({"default-base": "zz@1"}), "zz@1"),
    "unknown application key": (lambda d: store(d).update(zzkey=1), "zzkey"),
    "application series": (lambda d: store(d).update(series="noble"), "series"),
    "unknown machine key": (lambda d: d["machines"]["0"].update(zzkey=1), "zzkey"),
    "unknown option": (lambda d: store(d)["options"].update(zzname=1), "zzname"),
    "wrong type": (lambda d: store(d)["options"].update(count="zzmany"), "zzmany"),
    "option that is a list": (lambda d: store(d)["options"].update(name=["zz"]), "name: *$"),
    "no secret": (lambda d: store(d)["options"].update(key="zzsecret"), "zzsecret"),
    "unit count": (lambda d: sub(d).update(num_units="zzmany"), "zzmany"),
    "switch": (lambda d: store(d).update(expose="zzmaybe"), "zzmaybe"),
    "unknown charm": (lambda d: extra(d, charm="./zznone.charm"), "zznone"),
    "unknown build": (lambda d: extra(d, charm=charm("shop", "zz64")), "zz64"),
    "charm name": (lambda d: extra(d, charm="ZZ"), "ZZ"),
    "revision in the name": (lambda d: extra(d, charm="zz-7"), "zz-7"),
    "no channel": (lambda d: extra(d, charm="zzstore", revision=4242), "4242"),
    "channel of a file": (lambda d: store(d).update(channel="zz"), "channel"),
    "application name": (lambda d: d["applications"].update({"zz-1": {"charm": "zz"}}), "zz-1"),
    "base not offered": (lambda d: extra(d, base="ubuntu@22.04"), "22.04"),
    "architecture": (lambda d: store(d).update(constraints="arch=s390x"), "s390x"),
    "constraint": (lambda d: extra(d, constraints="zzcores=2"), "zzcores"),
    "machine constraint": (lambda d: d["machines"]["0"].update(constraints="mem=zz"), "mem=zz"),
    "machine architecture": (
        lambda d: d["machines"]["0"].update(constraints="arch=ppc64el"),
        "ppc64el",
    ),
    "unused machine": (lambda d: d["machines"].update({"97": {}}), "'97'"),
    "machine name": (lambda d: d["machines"].update({"zz": {}}), r"^ *zz: {}"),
    "undeclared machine": (lambda d: extra(d, num_units=1, to=["lxd:99"]), "lxd:99"),
    "undeclared application": (lambda d: extra(d, num_units=1, to=["zzapp/0"]), "zzapp/0"),
    "missing unit": (lambda d: extra(d, num_units=1, to=["lxd:zz-extra/9"]), "zz-extra/9"),
    "placement beyond units": (lambda d: extra(d, num_units=1, to=["new", "lxd:new"]), "lxd:new"),
    "placement": (lambda d: extra(d, num_units=1, to=["kvm:0"]), "kvm:0"),
    "subordinate with units": (lambda d: sub(d).update(num_units=77), "units: 77"),
    "subordinate of no machine": (lambda d: extra(d, charm=charm("lost")), "lost"),
    "unknown resource": (lambda d: store(d).update(resources={"zzblob": 1}), "zzblob"),
    "missing resource": (lambda d: store(d).update(resources={"blob": "./zznone"}), "zznone"),
    "resource": (lambda d: store(d).update(resources={"blob": 1.5}), "blob: 1.5"),
    "unknown binding": (lambda d: store(d).update(bindings={"zzweb": "a"}), "zzweb"),
    "unknown storage": (lambda d: store(d)["storage"].update(zzdisk="1G"), "zzdisk"),
    "storage": (lambda d: store(d)["storage"].update(disk="3"), "disk: '3'"),
    "offers": (lambda d: store(d).update(offers={"a": {"endpoints": ["data"]}}), "offers"),
    "saas of the same name": (
        lambda d: (extra(d), d.update(saas={"zz-extra": {"url": "a/b.c"}})),
        "^  zz-extra:(?=\n    url)",
    ),
    "saas url": (lambda d: d.update(saas={"zzfar": {"url": "zznowhere"}}), "zznowhere"),
    "unknown endpoint": (lambda d: relate(d, "{store}:zzdata", "{shop}:data"), "zzdata"),
    "unknown application": (lambda d: relate(d, "zzstore:data", "{shop}:data"), "zzstore"),
    "interfaces": (lambda d: relate(d, "{shop}:machine", "{store}:data"), "^- - .*:machine"),
    "roles": (lambda d: relate(d, "{shop}:ledger", "{store}:mirror"), "^- - .*:ledger"),
    "peers": (lambda d: relate(d, "{store}:crew", "{shop}:data"), "^- - .*:crew"),
    "ambiguous": (lambda d: relate(d, "{shop}", "{store}"), "^- - [^:]*$"),
    "to itself": (lambda d: relate(d, "{store}:zz", "{store}:data"), "^- - .*:zz"),
    "made twice": (
        lambda d: (
            relate(d, "{shop}:ledger", "{store}"),
            relate(d, "{store}:data", "{shop}:ledger"),
        ),
        r"^- - .*:data(?=\n  - .*:ledger)",
    ),
    "limit": (
        lambda d: (
            extra(d, charm=charm("store")),
            relate(d, "zz-extra:mirror", "{store}:data"),
            d["applications"].update({"zz-more": {"charm": charm("store")}}),
            relate(d, "zz-extra:mirror", "zz-more:data"),
        ),
        r"^- - zz-extra:mirror(?=\n  - zz-more)",
    ),
    "one end": (lambda d: d["relations"].append(["zzone:data"]), "zzone"),
}


def dumped(document: Document) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@SETTINGS
@given(bundles())
def test_given_any_bundle_that_juju_takes_when_read_then_nothing_is_refused(shared_site, document):
    read = shared_site.examine(dumped(document), trusted=False)

    assert [str(problem) for problem in read.problems] == []
    assert set(read.applications) == set(document["applications"])
    for name, each in document["applications"].items():
        assert read.applications[name].options == each.get("options", {})
        assert [placement.text for placement in read.applications[name].to] == each.get("to", [])
    assert all(end.endpoint for relation in read.relations for end in relation.ends)


@pytest.mark.parametrize(("mutate", "needle"), MUTATIONS.values(), ids=MUTATIONS)
@FEW
@given(document=bundles())
def test_given_one_mistake_when_read_then_its_line_and_no_other_is_named(
    shared_site, mutate, needle, document
):
    mutated = copy.deepcopy(document)
    mutate(mutated)
    text = dumped(mutated)
    (match,) = list(re.finditer(needle, text, re.MULTILINE))[-1:]

    problems = shared_site.examine(text, trusted=False).problems

    line = text.count("\n", 0, match.start()) + 1
    assert {problem.place.line for problem in problems} == {line}, problems


@FEW
@given(document=bundles(), data=st.data())
def test_given_a_line_twice_when_read_then_the_second_one_is_named(shared_site, document, data):
    lines = dumped(document).splitlines()
    # A text over several lines cannot be repeated by its first line alone.
    whole = [n for n, line in enumerate(lines) if not (line.count("'") % 2 or line.count('"') % 2)]
    keys = [n for n in whole if re.match(r" *[a-z-]+: \S", lines[n])]
    place = data.draw(st.sampled_from(keys))
    twice = [*lines[: place + 1], lines[place], *lines[place + 1 :]]

    problems = shared_site.examine("\n".join(twice)).problems

    assert (place + 2, True) in {(p.place.line, "appears twice" in p.text) for p in problems}


@FEW
@given(document=bundles())
def test_given_nobody_who_trusts_when_an_application_asks_then_its_line_is_named(
    shared_site, document
):
    store(document)["trust"] = True
    text = dumped(document)

    (problem,) = shared_site.examine(text, trusted=False).problems

    assert text.splitlines()[problem.place.line - 1].strip() == "trust: true"


@FEW
@given(document=bundles())
def test_given_a_bundle_as_its_own_overlay_when_read_then_nothing_changes(shared_site, document):
    text = dumped({**document, "relations": []})

    once, twice = shared_site.examine(text), shared_site.examine(text, text)

    assert twice.problems == once.problems == ()
    assert twice.machines.keys() == once.machines.keys()
    assert {n: a.options for n, a in twice.applications.items()} == {
        n: a.options for n, a in once.applications.items()
    }


KEYS = st.sampled_from(
    [
        *("applications", "machines", "relations", "saas", "default-base", "a", "0", "zz"),
        *("charm", "to", "num_units", "options", "constraints", "offers", "endpoints", "storage"),
        *("resources", "bindings", "annotations", "exposed-endpoints", "url", "devices", "base"),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | KEYS | st.text("a:/.0 ", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@SETTINGS
@given(st.dictionaries(KEYS, ANYTHING), st.dictionaries(KEYS, ANYTHING))
def test_given_any_documents_when_read_then_they_are_taken_or_refused(shared_site, base, overlay):
    refusals = shared_site.refusals(dumped(base), dumped(overlay))

    assert all(re.match(r"(bundle|over-0)\.yaml:\d+: .", refusal) for refusal in refusals)
    assert refusals or base["applications"]
