import pytest

BASE = """
    applications:
      db: {charm: ./dist/store_ubuntu-24.04-arm64.charm}
      db-two: {charm: ./dist/store_ubuntu-24.04-arm64.charm}
      web: {charm: ./dist/shop_ubuntu-24.04-arm64.charm}
      eye: {charm: ./dist/watch_ubuntu-24.04-arm64.charm}
      far-db: {charm: postgresql, channel: 16/stable}
    saas:
      remote: {url: "site:admin/model.remote"}
    relations:
"""


def related(site, *relations: str) -> list[str]:
    text = BASE + "".join(f"      - {each}\n" for each in relations)
    return [str(relation) for relation in site.read(text).relations]


def refused(site, *relations: str) -> list[str]:
    text = BASE + "".join(f"      - {each}\n" for each in relations)
    return [refusal.partition(": relation ")[2] for refusal in site.refusals(text)]


@pytest.mark.parametrize(
    "text", ["[web:data, db:data]", "[db:data, web:data]", "['web:data', \"db:data\"]"]
)
def test_given_both_endpoints_when_resolved_then_they_stay_in_order(site, text):
    ends = text.strip("[]").replace("'", "").replace('"', "").split(", ")

    assert related(site, text) == [" ".join(ends)]


def test_given_the_long_form_when_resolved_then_it_is_the_same(site):
    assert related(site, "- web:data\n        - db:data") == ["web:data db:data"]


def test_given_one_endpoint_when_resolved_then_the_other_is_found(site):
    assert related(site, "[web:vault, db]") == ["web:vault db:backup"]
    assert related(site, "[db:backup, web]") == ["db:backup web:vault"]


def test_given_no_endpoint_when_only_one_pair_fits_then_it_is_taken(site):
    assert related(site, "[eye, db]") == ["eye:principal db:beside"]


def test_given_what_every_charm_provides_when_nothing_else_fits_then_it_is_taken(site):
    assert related(site, "[web:machine, db]") == ["web:machine db:juju-info"]
    assert related(site, "[eye, db:beside]", "[web:machine, eye]") == [
        "eye:principal db:beside",
        "web:machine eye:juju-info",
    ]


def test_given_several_pairs_when_resolved_then_all_are_named(site):
    (refusal,) = refused(site, "[web, db]")

    assert refusal == (
        "web db: ambiguous; say [web:data, db:data] or [web:ledger, db:data] "
        "or [web:vault, db:backup] or [web:machine, db:juju-info]"
    )


def test_given_an_end_whose_charm_is_not_at_hand_when_resolved_then_it_stays(site):
    assert related(site, "[web:data, far-db]", "[remote:data, web:ledger]") == [
        "web:data far-db",
        "remote:data web:ledger",
    ]


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ("[web:date, db]", "charm shop has no endpoint 'date'; did you mean 'data'?"),
        ("[wbe:data, db]", "there is no application 'wbe'; did you mean 'web'?"),
        ("[web:web, db:data]", "both ends provide http"),
        ("[web:vault, db:mirror]", "both ends require archive"),
        ("[web:vault, db:data]", "interfaces differ, archive and sql"),
        ("[db, eye:juju-info]", "no endpoint of db fits one of eye"),
        ("[db:data, db:mirror]", "an application cannot be related to itself"),
        ("[db:crew, db-two:crew]", "db:crew is a peer endpoint"),
        ("[db:beside, web]", "no endpoint of db fits one of web"),
    ],
)
def test_given_a_relation_that_cannot_be_when_resolved_then_it_says_why(site, relation, words):
    (refusal,) = refused(site, relation)

    assert words in refusal


@pytest.mark.parametrize("relation", ["[web:data]", "[a, b, c]", "web:data db:data", "[]"])
def test_given_something_else_when_resolved_then_a_relation_is_explained(site, relation):
    (refusal,) = site.refusals(f"{BASE}      - {relation}\n")

    assert refusal == "bundle.yaml:10: a relation is a list of two ends: [app:endpoint, app]"


def test_given_no_end_when_resolved_then_its_line_is_named(site):
    (refusal,) = site.refusals(f"{BASE}      - - web:data\n        - Db:data\n")

    assert refusal.startswith("bundle.yaml:11: 'Db:data' is neither application nor")


def test_given_the_same_relation_twice_when_resolved_then_the_second_is_refused(site):
    (refusal,) = refused(site, "[web:vault, db:backup]", "[db, web:vault]")

    assert refusal == "db web:vault: made on line 10 already"


def test_given_more_relations_than_the_limit_when_resolved_then_the_last_is_refused(site):
    relations = ["[db:mirror, db-two:data]", "[web:data, db:data]", "[web:data, db-two:data]"]

    assert related(site, *relations)
    (refusal,) = refused(site, *relations, "[db:mirror, far-db:db]", "[remote:db, web:data]")[:1]
    assert "takes at most" in refusal


def test_given_scope_container_without_a_subordinate_when_resolved_then_it_is_refused(site):
    site.write(
        "charms/plain/charmcraft.yaml",
        "name: plain\nrequires: {host: {interface: beside, scope: container}}\n"
        "platforms: {mine: {build-for: ['ubuntu@24.04:arm64']}}\n",
    )
    text = BASE.replace("watch_ubuntu-24.04-arm64", "plain_mine")

    (refusal,) = site.refusals(f"{text}      - [eye:host, db:beside]\n")

    assert "one of the two must be a subordinate charm" in refusal


def test_given_two_bases_when_machines_are_shared_then_the_relation_is_refused(site):
    text = BASE.replace("{charm: ./dist/watch", "{base: ubuntu@24.04, charm: ./dist/watch")
    text = text.replace("db: {charm: ./dist/store", "db: {base: ubuntu@22.04, charm: ./dist/store")

    refusals = site.refusals(f"{text}      - [eye, db]\n")

    assert any("eye runs on ubuntu@24.04 and db on ubuntu@22.04" in each for each in refusals)
