import pytest

STORE = "    charm: ./dist/store_ubuntu-24.04-arm64.charm\n"


def refused(site, application: str, rest: str = "", charm: str = STORE) -> list[str]:
    """Return what is wrong with one application, its lines from 4 on."""
    lines = "".join(f"    {line}\n" for line in application.splitlines())
    text = f"applications:\n  db:\n{charm}{lines}{rest}"
    return [each.removeprefix("bundle.yaml:") for each in site.refusals(text)]


@pytest.mark.parametrize(
    "options",
    [
        "{name: x, count: 2, ratio: 0.5, loud: true, key: 'secret:abc'}",
        "{ratio: 1, key: '', name: '5'}",
        "{name: null}",
    ],
)
def test_given_options_of_the_right_type_when_checked_then_they_are_taken(site, options):
    assert refused(site, f"options: {options}") == []


@pytest.mark.parametrize(
    ("option", "refusal"),
    [
        ("nme: x", "charm store has no option 'nme'; did you mean 'name'?"),
        ("name: 5", "option name of store is a text, not 5"),
        ("count: '5'", "option count of store is a whole number, not '5'"),
        ("count: true", "option count of store is a whole number, not true"),
        ("count: 1.5", "option count of store is a whole number, not 1.5"),
        ("loud: 1", "option loud of store is true or false, not 1"),
        ("loud: 'true'", "option loud of store is true or false, not 'true'"),
        ("ratio: half", "option ratio of store is a number, not 'half'"),
        ("key: sesame", "option key takes the id of a secret: `juju add-secret`, then secret:…"),
        ("name: [a]", "option name is one value, not a list or mapping"),
    ],
)
def test_given_a_wrong_option_when_checked_then_it_is_refused(site, option, refusal):
    assert refused(site, f"options:\n  {option}") == [f"5: {refusal}"]


@pytest.mark.parametrize(
    ("application", "refusal"),
    [
        ("resources: {blub: 1}", "4: charm store has no resource 'blub'; did you mean 'blob'?"),
        ("bindings: {dta: a}", "4: charm store has no endpoint 'dta'; did you mean 'data'?"),
        ("storage: {dsk: 1G}", "4: charm store has no storage 'dsk'; did you mean 'disk'?"),
        ("storage: {disk: 3}", "4: storage disk takes at most 2 instances"),
        ("storage: {disk: 0}", "4: storage disk needs at least 1 instance"),
        (
            "base: ubuntu@22.04",
            "4: ./dist/store_ubuntu-24.04-arm64.charm runs on ubuntu@24.04, no",
        ),
        ("constraints: arch=amd64", "4: ./dist/store_ubuntu-24.04-arm64.charm runs on arm64, not"),
    ],
)
def test_given_something_that_the_charm_lacks_when_checked_then_it_is_refused(
    site, application, refusal
):
    (found,) = refused(site, application)

    assert found.startswith(refusal)


def test_given_a_default_base_that_the_charm_lacks_when_checked_then_the_charm_is_named(site):
    (found,) = refused(site, "", "default-base: ubuntu@22.04\n")

    assert found.startswith("3: ./dist/store_ubuntu-24.04-arm64.charm runs on ubuntu@24.04")


def test_given_a_machine_of_another_architecture_when_checked_then_the_machine_is_named(site):
    machine = "machines:\n  '0': {constraints: mem=2G arch=amd64}\n"

    (found,) = refused(site, "num_units: 1\nto: [lxd:0]", machine)

    assert found == "7: ./dist/store_ubuntu-24.04-arm64.charm runs on arm64, not on amd64"


def test_given_offers_when_the_charm_lacks_the_endpoint_then_they_are_refused(site):
    overlay = "---\napplications:\n  db:\n    offers:\n      sale:\n        endpoints: [dta]\n"

    assert refused(site, "", overlay) == [
        "9: charm store has no endpoint 'dta'; did you mean 'data'?"
    ]


def test_given_exposed_endpoints_when_the_charm_lacks_one_then_it_is_refused(site):
    overlay = "---\napplications:\n  db:\n    exposed-endpoints:\n      dta: {}\n      '': {}\n"

    assert refused(site, "", overlay) == [
        "8: charm store has no endpoint 'dta'; did you mean 'data'?"
    ]


@pytest.mark.parametrize(
    ("application", "refusals"),
    [
        ("", []),
        (
            "num_units: 2",
            ["4: watch is a subordinate: its units come with those it is related to"],
        ),
        (
            "to: [new]",
            [
                "4: db has 0 units, but a placement for 1",
                "4: watch is a subordinate: it goes where its principal is, without to",
            ],
        ),
    ],
)
def test_given_a_subordinate_when_it_has_units_of_its_own_then_it_is_refused(
    site, application, refusals
):
    found = refused(site, application, charm=STORE.replace("store", "watch"))

    assert len(found) == len(refusals)
    assert all(a.startswith(b) for a, b in zip(found, refusals, strict=True))


def test_given_a_subordinate_without_scope_container_when_checked_then_it_is_refused(site):
    text = "applications: {lost: {charm: ./dist/lost_ubuntu-24.04-arm64.charm}}"

    assert site.refusals(text) == [
        "bundle.yaml:1: lost is a subordinate, but none of its requires has scope: container"
    ]


def test_given_a_charm_for_kubernetes_when_checked_then_it_is_refused(site):
    site.write("charms/pod/charmcraft.yaml", "name: pod\nassumes: [k8s-api]\n")

    assert site.refusals("applications: {pod: {charm: pod}}") == [
        "bundle.yaml:1: charm pod runs on Kubernetes, not on machines"
    ]


def test_given_a_charm_for_all_architectures_when_checked_then_any_will_do(site):
    site.write("charms/any/charmcraft.yaml", "name: any\nplatforms: {x: {build-for: all}}\n")

    assert site.refusals("applications: {any: {charm: any, constraints: arch=s390x}}") == []


def test_given_a_charm_that_cannot_be_read_when_checked_then_the_bundle_is_refused(site):
    site.write("charms/odd/charmcraft.yaml", "just words")

    (found,) = site.refusals("applications: {odd: {charm: odd}}")

    assert "does not describe a charm" in found
