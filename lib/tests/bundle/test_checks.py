import pytest

from edgelab import bundle


def refused(site, application: str, rest: str = "", **how: bool) -> list[str]:
    """Return what is wrong with one application of the charm shop, its lines from 4 on."""
    lines = "".join(f"    {line}\n" for line in application.splitlines())
    text = (
        "applications:\n  web:\n    charm: ./dist/shop_ubuntu-24.04-arm64.charm\n" + lines + rest
    )
    return [each.removeprefix("bundle.yaml:") for each in site.refusals(text, **how)]


@pytest.mark.parametrize(
    ("application", "refusal"),
    [
        ("num_unit: 1", "4: an application has no key 'num_unit'; did you mean 'num_units'?"),
        ("series: noble", "4: series is gone from Juju, which ignores it: say default-base: "),
        ("config: {}", "4: config is called options in a bundle"),
        ("placement: a=b", "4: placement is for Kubernetes; on machines it is to: a list"),
        ("num_units: three", "4: num_units of application web is a whole number, zero or more, "),
        ("num_units: -1", "4: num_units of application web is a whole number"),
        ("num_units: true", "4: num_units of application web is a whole number"),
        ("num_units: [1]", "4: num_units of application web is a whole number, zero or more, not"),
        ("trust: maybe", "4: trust of application web is true or false, not 'maybe'"),
        ("to: new", "4: to of application web is a list: [new]"),
        ("options: [a]", "4: options of application web is a mapping of keys to values"),
        ("base: [x]", "4: base of application web is one value, not a list or mapping"),
        ("base: ubuntuu@24.04", "4: base: 'ubuntuu@24.04' is no base of Juju's; did you mean 'ub"),
        ("base: noble", "4: base: 'noble' is no base of Juju's"),
        ("base: ubuntu@24.04/solid", "4: base: 'ubuntu@24.04/solid' is no base of Juju's"),
        ("constraints: core=1", "4: unknown constraint 'core'; did you mean 'cores'?"),
        ("bindings: {web: [a]}", "4: web in bindings is one value, not a list or mapping"),
        ("resources: {a: 1.5}", "4: resource a is a path or the number of a revision, not '1.5'"),
        ("storage: {a: '?'}", "4: storage a: '?' is not of the form pool,count,size"),
        ("storage: {a: 1.2.3G}", "4: storage a: '1.2.3G' is not of the form pool,count,size"),
        ("storage: {a: '..G'}", "4: storage a: '..G' is not of the form pool,count,size"),
        ("storage: {a: 2E}", "4: storage a: '2E' is not of the form pool,count,size"),
        ("channel: edge", "4: channel is for charms of Charmhub, not for files"),
        ("revision: 3", "4: revision is for charms of Charmhub, not for files"),
        ("offers: {}", "4: offers may only stand in an overlay, or after a line of ---"),
        ("num_units: 1\nscale: 1", "5: scale is another word for num_units: give one of them"),
        ("num_units: 1\nto: [new, new]", "5: web has 1 unit, but a placement for 2"),
        ("num_units: 1\nto:\n- '5'", "6: placement '5': machine 5 is not declared"),
        ("num_units: 1\nto:\n- wbe/0", "6: placement 'wbe/0': there is no application 'wbe'; did"),
        ("num_units: 1\nto:\n- web", "6: placement 'web': web is placed beside itself"),
        ("num_units: 1\nto:\n- new/0", "6: placement 'new/0' is none of"),
        ("to: [new]", "4: web has 0 units, but a placement for 1"),
    ],
)
def test_given_a_mistake_in_an_application_when_checked_then_its_line_is_named(
    site, application, refusal
):
    found = refused(site, application)

    assert any(each.startswith(refusal) for each in found), found
    assert {each.partition(":")[0] for each in found} == {refusal.partition(":")[0]}


@pytest.mark.parametrize(
    ("text", "line"),
    [("tags: [a]\n", 1), ("tags: [a]\napplications: {}\n", 2), ("applications:\n", 1)],
)
def test_given_a_bundle_of_nothing_when_checked_then_an_application_is_missed(site, text, line):
    assert site.refusals(text) == [f"bundle.yaml:{line}: a bundle needs at least one application"]


@pytest.mark.parametrize(
    ("rest", "refusal"),
    [
        (
            "zapplications: {}",
            "4: a bundle has no key 'zapplications'; did you mean 'applications'?",
        ),
        ("services: {}", "4: services is called applications now"),
        ("series: noble", "4: series is gone"),
        ("bundle: kubernetes", "4: only bundles for machines are read"),
        ("default-base: ubuntu@4.10", "4: default-base: 'ubuntu@4.10' is no base of Juju's"),
        ("relations: {}", "4: relations of the bundle is a list"),
        ("tags: many", "4: tags of the bundle is a list: [many]"),
        ("machines: {'0': {}}", "4: machine 0 is not used by any placement: take it out"),
        ("machines: {a: {}}", "4: machine 'a': machines are numbered 0, 1, 2…"),
        ("machines: {'0': {bas: x}}", "4: a machine has no key 'bas'; did you mean 'base'?"),
        ("saas: {web: {url: a/b.c}}", "4: web is an application of this bundle too: rename one"),
        ("saas: {x: {url: nowhere}}", "4: saas x: 'nowhere' is no URL of an offer"),
        ("saas: {X: {url: a/b.c}}", "4: saas 'X': names are lower-case words"),
        ("saas: {x: {link: a/b.c}}", "4: a saas entry has no key 'link'"),
    ],
)
def test_given_a_mistake_in_a_bundle_when_checked_then_its_line_is_named(site, rest, refusal):
    found = refused(site, "", rest)

    assert any(each.startswith(refusal) for each in found), found
    assert {each.partition(":")[0] for each in found} == {"4"}


@pytest.mark.parametrize(
    ("charm", "refusal"),
    [
        ("null", "3: application web has no charm"),
        ("Post", "3: 'Post' is neither a charm of Charmhub nor a path"),
        ("cs:post", "3: 'cs:post' is neither a charm of Charmhub nor a path"),
        ("post-14", "3: say charm: post and revision: 14, with a channel"),
        ("{a: b}", "3: charm of application web is one value"),
        (
            "./dist/shop_ubuntu-24.04-arm46.charm",
            "3: application web: no build of shop is called shop_ubuntu-24.04-arm46.charm; "
            "did you mean 'shop_ubuntu-24.04-arm64.charm'?",
        ),
        ("./dist/other.charm", "3: application web: there is no ./dist/other.charm"),
        ("./charms/shop", "3: application web: ./charms/shop is a folder: Juju 4 deploys packed"),
    ],
)
def test_given_a_charm_that_cannot_be_when_checked_then_it_says_why(site, charm, refusal):
    found = site.refusals(f"applications:\n  web:\n    charm: {charm}\n")

    assert any(each.startswith(f"bundle.yaml:{refusal}") for each in found), found


def test_given_a_revision_without_channel_when_checked_then_it_is_refused(site):
    text = "applications:\n  db:\n    charm: postgresql\n    revision: 14\n"

    (found,) = site.refusals(text)

    assert found.startswith("bundle.yaml:4: db has a revision: say from which channel")
    assert site.refusals(text + "    channel: 16/stable\n") == []


def test_given_a_charm_of_charmhub_whose_source_is_at_hand_when_checked_then_it_counts(site):
    text = "applications: {web: {charm: shop, options: {x: 1}}}"

    assert site.refusals(text) == ["bundle.yaml:1: charm shop has no option 'x'"]


def test_given_an_application_that_asks_for_trust_when_nobody_gives_it_then_it_is_refused(site):
    assert refused(site, "trust: true") == []
    assert refused(site, "trust: true", trusted=False) == [
        "4: web asks for cloud credentials: deploy with --trust if it may"
    ]


def test_given_a_resource_file_that_is_not_there_when_checked_then_it_is_refused(site):
    text = "applications:\n  db:\n    charm: ./dist/store_ubuntu-24.04-arm64.charm\n"

    (found,) = site.refusals(text + "    resources: {blob: ./blob.bin}\n")
    site.write("blob.bin", b"1")

    assert found.startswith("bundle.yaml:4: resource blob: there is no file")
    resources = (
        site.read(text + "    resources: {blob: ./blob.bin}\n").applications["db"].resources
    )
    assert resources == {"blob": site.root / "blob.bin"}


def test_given_both_ways_to_expose_when_checked_then_one_is_refused(site):
    text = "applications: {web: {charm: ./dist/shop_ubuntu-24.04-arm64.charm}}\n---\n"
    overlay = "applications:\n  web:\n    expose: true\n    exposed-endpoints: {web: {}}\n"

    (found,) = site.refusals(text + overlay)

    assert found.startswith("bundle.yaml:5: expose: true opens everything")


def test_given_a_unit_beyond_those_of_another_application_when_checked_then_it_is_refused(site):
    text = "applications:\n" + "".join(
        f"  {name}: {{charm: ./dist/shop_ubuntu-24.04-arm64.charm, num_units: 2, to: [{to}]}}\n"
        for name, to in (("web", "new"), ("one", "lxd:web/2"), ("two", "web/1, web"))
    )

    assert [each.partition(": ")[2] for each in site.refusals(text)] == [
        "placement 'lxd:web/2': web has 2 units, there is no web/2",
        "placement 'web': web has 2 units, there is no web/2",
    ]


def test_given_units_that_wait_for_each_other_when_checked_then_the_bundle_is_refused(site):
    text = "applications:\n" + "".join(
        f"  {name}: {{charm: ./dist/shop_ubuntu-24.04-arm64.charm, num_units: 1, to: [{to}]}}\n"
        for name, to in (("one", "two/0"), ("two", "one/0"))
    )

    assert site.refusals(text) == [
        "bundle.yaml:1: units wait for each other: one/0 → two/0 → one/0"
    ]


def test_given_a_machine_of_another_base_when_checked_then_the_placement_is_refused(site):
    machine = "machines: {'0': {base: ubuntu@22.04}}\n"
    application = "base: ubuntu@24.04\nnum_units: 1\nto: [0]"

    assert refused(site, application, machine) == [
        "6: web runs on ubuntu@24.04, machine 0 on ubuntu@22.04"
    ]
    assert refused(site, application.replace("[0]", "[lxd:0]"), machine) == []


@pytest.mark.parametrize("text", ["", "---\n", "just words\n", "- a\n", "description: empty\n"])
def test_given_no_applications_when_checked_then_the_bundle_is_refused(site, text):
    assert site.refusals(text)


def test_given_many_mistakes_when_read_then_all_are_reported_at_once_in_order(site):
    text = "applications:\n  web:\n    num_units: x\n    base: y\n    charm: Z\nseries: noble\n"

    with pytest.raises(bundle.BundleError) as e:
        site.read(text)

    assert [problem.place.line for problem in e.value.problems] == [3, 4, 5, 6]
    assert str(e.value).count("bundle.yaml:") == 4


def test_given_packed_charms_are_asked_for_when_only_the_source_is_there_then_it_says_how(site):
    (found,) = refused(site, "", packed=True)

    assert found.endswith("shop_ubuntu-24.04-arm64.charm is not packed yet: `tox run -e pack`")


def test_given_a_bundle_when_read_then_what_it_declares_is_there(site):
    text = """
        description: All there is.
        tags: [a, b]
        applications:
          db:
            charm: ./dist/store_ubuntu-24.04-arm64.charm
            base: ubuntu@24.04/stable
            scale: 1
            to: [lxd:0]
            constraints: cores=4 tags=a,b
            storage: {disk: "fast,2,10G"}
            devices: {gpu: "1,nvidia"}
            bindings: {"": alpha, public: beta}
            expose: true
            plan: default
        machines:
          "0": {base: ubuntu@24.04, constraints: arch=arm64, annotations: {rack: 1}}
        """

    read = site.read(text)

    db, machine = read.applications["db"], read.machines["0"]
    assert (read.description, read.tags, read.base(db)) == (
        "All there is.",
        ("a", "b"),
        "ubuntu@24.04",
    )
    assert db.storage == {"disk": bundle.StorageDirective("fast", 2, 10240)}
    assert db.devices == {"gpu": "1,nvidia"}
    assert db.bindings == {"": "alpha", "public": "beta"}
    assert (db.num_units, db.expose, db.plan, db.constraints.tags) == (
        1,
        True,
        "default",
        ("a", "b"),
    )
    assert (machine.base, machine.constraints.arch) == ("ubuntu@24.04", "arm64")
    assert machine.annotations == {"rack": "1"}
    assert db.at("options", "nothing").line == db.place.line == 4


def test_given_an_application_without_anything_when_checked_then_it_is_refused(site):
    refusals = site.refusals("applications:\n  web:\n")

    assert "bundle.yaml:2: application web says nothing: it needs a charm" in refusals


def test_given_an_offer_of_an_odd_name_when_checked_then_it_is_refused(site):
    offer = "---\napplications:\n  web:\n    offers:\n      Sale: {endpoints: [web]}\n"

    (found,) = refused(site, "", offer)

    assert found.startswith("8: offer 'Sale': names are lower-case words")
