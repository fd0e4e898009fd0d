from edgelab import bundle

BASE = """
    default-base: ubuntu@24.04
    applications:
      db:
        charm: ./dist/store_ubuntu-24.04-arm64.charm
        num_units: 2
        to: [0, 1]
        options: {name: base, count: 2}
        annotations: {x: "1"}
      front:
        charm: ./dist/shop_ubuntu-24.04-arm64.charm
        num_units: 1
      other:
        charm: ./dist/shop_ubuntu-24.04-arm64.charm
    relations:
      - [front:data, db:data]
      - [other:data, db:data]
    machines: {"0": {}, "1": {}}
    """


def test_given_an_overlay_when_read_then_options_are_merged_and_lists_replaced(site):
    overlay = """
        applications:
          db:
            num_units: 3
            to: [0, 1, new]
            options: {count: 3, loud: true}
        """

    db = site.read(BASE, overlay).applications["db"]

    assert db.options == {"name": "base", "count": 3, "loud": True}
    assert [placement.text for placement in db.to] == ["0", "1", "new"]
    assert db.num_units == 3


def test_given_an_overlay_when_read_then_each_value_knows_its_file(site):
    overlay = "applications: {db: {options: {count: 3}}}"

    db = site.read(BASE, overlay).applications["db"]

    assert db.at("options", "count").file.name == "over-0.yaml"
    assert db.at("options", "name").file.name == "bundle.yaml"
    assert (db.at("options", "name").line, db.at("num_units").line) == (7, 5)


def test_given_null_for_an_application_when_read_then_its_relations_go_too(site):
    read = site.read(BASE, "applications: {front: null}")

    assert set(read.applications) == {"db", "other"}
    assert [str(relation) for relation in read.relations] == ["other:data db:data"]


def test_given_null_for_an_unknown_application_when_read_then_a_name_is_suggested(site):
    assert site.refusals(BASE, "applications:\n  frnt:\n") == [
        "over-0.yaml:2: there is no 'frnt' in applications to take out; did you mean 'front'?"
    ]


def test_given_null_for_an_option_when_read_then_it_is_taken_out(site):
    db = site.read(BASE, "applications: {db: {options: {name: null}}}").applications["db"]

    assert db.options == {"count": 2}


def test_given_null_for_all_options_when_read_then_none_is_left(site):
    db = site.read(BASE, "applications: {db: {options: null}}").applications["db"]

    assert db.options == {}


def test_given_an_empty_mapping_when_read_then_the_options_stay(site):
    db = site.read(BASE, "applications: {db: {options: {}}}").applications["db"]

    assert db.options == {"name": "base", "count": 2}


def test_given_null_for_an_annotation_when_read_then_it_is_empty(site):
    db = site.read(BASE, "applications: {db: {annotations: {x: null}}}").applications["db"]

    assert db.annotations == {"x": ""}


def test_given_relations_in_an_overlay_when_read_then_they_come_after_the_others(site):
    read = site.read(BASE, "relations: [[front:vault, db:backup]]")

    assert [str(relation) for relation in read.relations][-1] == "front:vault db:backup"
    assert len(read.relations) == 3


def test_given_machines_in_an_overlay_when_read_then_they_replace_all_others(site):
    overlay = 'applications: {db: {to: [7, 7]}}\nmachines: {"7": {constraints: mem=2G}}\n'

    read = site.read(BASE, overlay)

    assert list(read.machines) == ["7"]
    assert read.machines["7"].constraints.mem_mb == 2048


def test_given_a_new_application_in_an_overlay_when_read_then_it_is_added(site):
    overlay = "applications: {extra: {charm: ./dist/shop_ubuntu-24.04-arm64.charm}}"

    assert "extra" in site.read(BASE, overlay).applications


def test_given_a_misspelt_application_in_an_overlay_when_read_then_it_is_refused(site):
    assert site.refusals(BASE, "applications:\n  fronts: {num_units: 2}\n") == [
        "over-0.yaml:2: application fronts has no charm; did you mean 'front'?"
    ]


def test_given_a_second_document_when_read_then_it_is_an_overlay(site):
    text = BASE + "---\n    applications: {db: {offers: {sale: {endpoints: [data]}}}}\n"

    offer = site.read(text).applications["db"].offers["sale"]

    assert offer.endpoints == ("data",)


def test_given_several_overlays_when_read_then_the_last_one_wins(site):
    overlays = [f"applications: {{db: {{options: {{count: {n}}}}}}}" for n in (5, 6)]

    assert site.read(BASE, *overlays).applications["db"].options["count"] == 6


def test_given_another_base_in_an_overlay_when_read_then_it_counts(site):
    refusals = site.refusals(BASE, "default-base: ubuntu@26.04")

    assert all("runs on ubuntu@24.04, not on ubuntu@26.04" in refusal for refusal in refusals)
    assert len(refusals) == 3


def test_given_an_overlay_for_kubernetes_when_read_then_it_is_refused(site):
    assert site.refusals(BASE, "bundle: kubernetes\nsaas: {}\n") == [
        "over-0.yaml:1: an overlay cannot change bundle:"
    ]


def test_given_saas_in_an_overlay_when_taken_out_then_its_relations_go(site):
    saas = "saas: {far: {url: admin/site.far}}\nrelations: [[front:vault, far]]\n"

    read = site.read(BASE, saas, "saas: {far: null}")

    assert read.saas == {}
    assert len(read.relations) == 2


def test_given_files_to_include_when_read_then_they_lie_beside_the_file_that_names_them(site):
    site.write("near.txt", "near\n")
    site.write("far/key.bin", b"\x00\xff")
    overlay = site.write(
        "far/over.yaml",
        """
        applications:
          db:
            options: {key: "secret:x", name: include-base64://key.bin}
            annotations: {x: include-file://../near.txt}
        """,
    )

    db = bundle.read(site.write("bundle.yaml", BASE), [overlay]).applications["db"]

    assert db.options["name"] == "AP8="
    assert db.annotations["x"] == "near\n"


def test_given_a_file_to_include_that_is_not_there_when_read_then_it_is_refused(site):
    overlay = "applications:\n  db:\n    options:\n      name: include-file://none.txt\n"

    (refusal,) = site.refusals(BASE, overlay)

    assert refusal.startswith("over-0.yaml:4: cannot include")
    assert refusal.endswith("none.txt: No such file or directory")


def test_given_a_charm_in_an_overlay_when_read_then_its_path_is_relative_to_it(site):
    overlay = site.write(
        "overlays/over.yaml",
        "applications: {db: {charm: ../dist/store_ubuntu-24.04-amd64.charm}}",
    )

    db = bundle.read(site.write("bundle.yaml", BASE), [overlay]).applications["db"]

    assert db.charm_path == site.root / "overlays/../dist/store_ubuntu-24.04-amd64.charm"


def test_given_no_relations_when_an_application_is_taken_out_then_the_others_stay(site):
    base = BASE[: BASE.index("relations:")] + 'machines: {"0": {}, "1": {}}\n'

    assert set(site.read(base, "applications: {front: null}").applications) == {"db", "other"}
