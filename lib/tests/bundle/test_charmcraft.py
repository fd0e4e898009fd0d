import pathlib
import zipfile

import pytest
import yaml

from edgelab import charmcraft

REPOSITORY = pathlib.Path(__file__).parents[3]
CHARMS = sorted(file.parent for file in REPOSITORY.glob("charms/*/charmcraft.yaml"))


@pytest.fixture
def store(site):
    return charmcraft.read(site.root / "charms/store")


def pack(folder: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """Pack a charm's description as charmcraft does: four files in place of one."""
    document = yaml.safe_load((folder / "charmcraft.yaml").read_text())
    config, actions = document.pop("config", {}), document.pop("actions", {})
    document.pop("platforms")
    base = {"name": "ubuntu", "channel": "24.04", "architectures": ["arm64"]}
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in {
            "metadata": document,
            "config": config,
            "actions": actions,
            "manifest": {"bases": [base]},
        }.items():
            archive.writestr(f"{name}.yaml", yaml.safe_dump(content))
    return target


def test_given_a_source_folder_when_read_then_endpoints_have_role_scope_and_limit(store):
    crew, beside, mirror = (store.endpoint(name) for name in ("crew", "beside", "mirror"))

    assert crew == charmcraft.Endpoint("crew", "peers", "store_peers")
    assert beside == charmcraft.Endpoint("beside", "provides", "beside", scope="container")
    assert mirror == charmcraft.Endpoint("mirror", "requires", "sql", limit=1)


def test_given_any_charm_when_asked_for_juju_info_then_it_provides_it(store):
    assert store.endpoint("juju-info") == charmcraft.JUJU_INFO
    assert store.endpoint("other") is None


def test_given_a_source_folder_when_read_then_options_have_types_and_defaults(store):
    assert store.options["count"] == charmcraft.Option("count", "int", 1, "How many.")
    assert store.options["key"].default is None


def test_given_an_action_when_read_then_its_schema_is_whole(store):
    assert store.actions["shout"].schema == {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    }


def test_given_a_source_folder_when_read_then_the_rest_is_there(store):
    assert store.resources["blob"].filename == "blob.bin"
    assert store.storage["disk"] == charmcraft.Storage("disk", "filesystem", 1, 2)
    assert store.extra_bindings == ("public",)
    assert store.assumes == ("juju >= 3.6", "juju >= 4 or k9s")
    assert not store.subordinate


def test_given_platforms_when_read_then_bases_and_architectures_follow(store):
    assert store.bases == ("ubuntu@24.04",)
    assert store.architectures == ("amd64", "arm64")
    assert store.only("ubuntu-24.04-arm64").architectures == ("arm64",)


@pytest.mark.parametrize(
    ("text", "platforms"),
    [
        ("base: ubuntu@24.04\nplatforms: {arm64: }", [("arm64", "ubuntu@24.04", "arm64")]),
        (
            "platforms: {'ubuntu@26.04:arm64': }",
            [("ubuntu@26.04:arm64", "ubuntu@26.04", "arm64")],
        ),
        (
            "platforms: {mine: {build-on: amd64, build-for: 'ubuntu@24.04:all'}}",
            [("mine", "ubuntu@24.04", "all")],
        ),
        (
            "bases: [{name: ubuntu, channel: '22.04', architectures: [arm64]}]",
            [("ubuntu-22.04-arm64", "ubuntu@22.04", "arm64")],
        ),
        (
            "bases: [{build-on: [], run-on: [{name: ubuntu, channel: '22.04'}]}]",
            [("ubuntu-22.04-all", "ubuntu@22.04", "all")],
        ),
    ],
)
def test_given_any_way_to_say_platforms_when_read_then_they_are_understood(site, text, platforms):
    site.write("charms/other/charmcraft.yaml", f"name: other\n{text}\n")

    charm = charmcraft.read(site.root / "charms/other")

    assert charm.platforms == tuple(charmcraft.Platform(*each) for each in platforms)


def test_given_files_beside_charmcraft_yaml_when_read_then_they_count(site):
    site.write("charms/old/charmcraft.yaml", "type: charm\n")
    site.write("charms/old/metadata.yaml", "name: old\nprovides: {web: http}\n")
    site.write("charms/old/config.yaml", "options: {loud: {type: boolean, default: true}}\n")
    site.write("charms/old/actions.yaml", "ring:\n")

    charm = charmcraft.read(site.root / "charms/old")

    assert charm.endpoints["web"].interface == "http"
    assert charm.options["loud"].default is True
    assert charm.actions["ring"].schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("range_", "least", "most"), [("3", 3, 3), ("0-1", 0, 1), ("2-", 2, None), ("2+", 2, None)]
)
def test_given_a_range_of_storage_when_read_then_both_ends_are_known(site, range_, least, most):
    text = f"name: box\nstorage: {{disk: {{type: block, multiple: {{range: '{range_}'}}}}}}\n"
    site.write("charms/box/charmcraft.yaml", text)

    storage = charmcraft.read(site.root / "charms/box").storage["disk"]

    assert (storage.minimum, storage.maximum) == (least, most)


def test_given_a_packed_charm_when_read_then_it_is_as_its_source(site, store, tmp_path):
    file = pack(site.root / "charms/store", tmp_path / "store_ubuntu-24.04-arm64.charm")

    packed = charmcraft.read(file)

    assert packed.platforms == store.only("ubuntu-24.04-arm64").platforms
    assert packed.endpoints == store.endpoints
    assert packed.options == store.options
    assert packed.actions == store.actions
    assert packed.path == file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("options", "does not describe a charm"),
        ("summary: no name", "does not describe a charm"),
        ("name: [", "no valid YAML"),
    ],
)
def test_given_a_folder_without_a_charm_when_read_then_it_says_why(site, content, words):
    site.write("charms/odd/charmcraft.yaml", content)

    with pytest.raises(charmcraft.CharmError, match=words):
        charmcraft.read(site.root / "charms/odd")


def test_given_no_charm_at_all_when_read_then_it_says_so(tmp_path):
    with pytest.raises(charmcraft.CharmError, match="is no charm"):
        charmcraft.read(tmp_path / "none.charm")


def test_given_an_archive_without_manifest_when_read_then_juju_would_refuse_it(tmp_path):
    file = tmp_path / "half.charm"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("charmcraft.yaml", "name: half\n")

    with pytest.raises(charmcraft.CharmError, match=r"lacks metadata.yaml or manifest.yaml"):
        charmcraft.read(file)


@pytest.mark.parametrize("folder", CHARMS, ids=lambda folder: folder.name)
def test_given_a_charm_of_this_repository_when_read_then_it_is_whole(folder):
    charm = charmcraft.read(folder)

    assert charm.name == folder.name
    assert charm.bases == ("ubuntu@24.04", "ubuntu@26.04")
    assert charm.architectures == ("amd64", "arm64")
