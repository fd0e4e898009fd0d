"""Relations that stay within a machine, charms that do not mix, and charms as packed files."""

import pathlib
import zipfile

import yaml

from edgelab import model

REPOSITORY = pathlib.Path(__file__).parents[3]


def pack(folder, file):
    """Pack a charm as charmcraft would, from the folder that the lab laid out for it."""
    document = yaml.safe_load((folder / "charmcraft.yaml").read_text())
    parts = {"config": document.pop("config", {}), "actions": document.pop("actions", {})}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.yaml", yaml.safe_dump(document))
        for name, content in parts.items():
            archive.writestr(f"{name}.yaml", yaml.safe_dump(content))
        for path in sorted((folder / "src").glob("*.py")):
            archive.write(path, f"src/{path.name}")
        lib = folder.parents[0] / "edgecloud"
        for path in sorted(lib.rglob("*.py")):
            archive.write(path, f"lib/edgecloud/{path.relative_to(lib)}")
    return file


def settle(juju, *units):
    for app in units:
        juju.add_unit(app)
    juju.settle()


def beside_bag(juju, unit):
    (relation,) = (r for r in juju.relations.values() if r.scope == "container")
    return relation.unit_bags[unit].data


def test_given_two_principals_when_related_then_each_subordinate_meets_only_its_own(
    juju, tracer, beside, trace
):
    juju.add_application("tracer", tracer)
    juju.add_application("beside", beside)
    juju.integrate("tracer:beside", "beside:principal")

    settle(juju, "tracer", "tracer")

    for number in (0, 1):
        met = [
            line for line in trace(juju, f"tracer/{number}") if "beside-relation-joined" in line
        ]
        assert met == [f"beside-relation-joined beside/{number}"]
        assert str(juju.units[f"beside/{number}"].status) == f"active: beside tracer/{number}"


def test_given_only_one_end_in_a_container_when_related_then_the_other_sees_its_unit_too(
    juju, puppet, pinned
):
    juju.add_application("kiosk-a", puppet)
    juju.add_application("pinned", pinned)
    juju.integrate("kiosk-a:agent", "pinned:agent")

    settle(juju, "kiosk-a", "kiosk-a")

    found = {name: str(unit.status) for name, unit in juju.units.items()}
    assert found["pinned/0"] == "active: kiosk-a/0"
    assert found["pinned/1"] == "active: kiosk-a/1"
    joined = {h.unit: h.label for h in juju.record.hooks if "agent-relation-joined" in h.label}
    assert joined["kiosk-a/1"] == "agent-relation-joined pinned/1"


def test_given_a_subordinate_when_the_relation_ends_then_only_the_principal_stays(
    juju, tracer, beside
):
    juju.add_application("tracer", tracer)
    juju.add_application("beside", beside)
    juju.integrate("tracer:beside", "beside:principal")
    settle(juju, "tracer")

    juju.remove_relation("tracer", "beside")
    juju.settle()

    assert {name: str(unit.status) for name, unit in juju.units.items()} == {
        "tracer/0": "active: hello"
    }
    last = [hook.label for hook in juju.record.hooks if hook.unit == "beside/0"][-3:]
    assert last == ["principal-relation-broken", "stop", "remove"]


def test_given_charms_with_modules_of_the_same_name_when_run_then_each_finds_its_own(
    juju, tracer, beside, trace
):
    juju.add_application("tracer", tracer)
    juju.add_application("beside", beside)
    juju.integrate("tracer:beside", "beside:principal")

    settle(juju, "tracer")

    assert beside_bag(juju, "beside/0")["beside"] == "another helper of the same name"
    assert "beside-relation-joined beside/0" in trace(juju, "tracer/0")


def test_given_two_builds_of_a_charm_when_one_is_refreshed_then_only_it_has_the_new_code(
    juju, tracer, tmp_path
):
    for name in ("edge-a", "edge-b"):
        juju.add_application(name, tracer)
        juju.add_unit(name)
    juju.settle()
    new = tmp_path / "new"
    new.mkdir()
    (new / "charmcraft.yaml").write_text((tracer / "charmcraft.yaml").read_text())
    (new / "src").mkdir()
    (new / "src" / "helper.py").write_text((tracer / "src" / "helper.py").read_text())
    code = (tracer / "src" / "charm.py").read_text()
    (new / "src" / "charm.py").write_text(
        code.replace("ActiveStatus(str(", "ActiveStatus('new ' + (str)(")
    )

    juju.refresh("edge-a", new)
    juju.settle()

    assert str(juju.units["edge-a/0"].status) == "active: new hello"
    assert str(juju.units["edge-b/0"].status) == "active: hello"


def test_given_a_packed_charm_when_deployed_then_it_runs_as_its_sources_do(
    tmp_path, tracer, trace
):
    (tmp_path / "edgecloud").symlink_to(REPOSITORY / "lib" / "edgecloud")
    file = pack(tracer, tmp_path / "tracer.charm")

    with model.Model(tmp_path / "packed", seed=1) as juju:
        juju.add_application("tracer", file, config={"greeting": "servus"})
        settle(juju, "tracer")

        assert str(juju.units["tracer/0"].status) == "active: servus"
        assert juju.run("tracer/0", "shout", {"word": "ho"}).results == {"said": "ho ho"}
        assert trace(juju, "tracer/0")[0] == "install"
