import json
import os
import pathlib
import subprocess
import sys
import textwrap
import zipfile

import pytest

from edgelab import bundle, juju

BUNDLE = """
    applications:
      web:
        charm: ./dist/shop_ubuntu-24.04-arm64.charm
        num_units: 2
        to: [0, "lxd:1"]
    machines: {"0": {}, "1": {}}
    """

FAKE = """\
    #!{python}
    import json, pathlib, sys
    here = pathlib.Path(__file__).parent
    with (here / "calls").open("a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\\n")
    answer = json.loads((here / "answers").read_text()).get(sys.argv[1])
    if answer is None:
        sys.exit("ERROR " + sys.argv[1] + " is down")
    print(answer)
    """


class FakeJuju:
    """A ``juju`` on the PATH that answers what it is told to, and remembers what it was asked."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        folder.mkdir()
        program = folder / "juju"
        program.write_text(textwrap.dedent(FAKE.format(python=sys.executable)))
        program.chmod(0o755)
        self.answer(deploy="Deploy of bundle completed.")
        self.know(["site"])
        self.model()

    def answer(self, **answers: str | None) -> None:
        file = self._folder / "answers"
        before = json.loads(file.read_text()) if file.exists() else {}
        named = {name.replace("_", "-"): answer for name, answer in answers.items()}
        file.write_text(json.dumps({**before, **named}))

    def know(self, controllers: list[str]) -> None:
        self.answer(controllers=json.dumps({"controllers": {each: {} for each in controllers}}))

    def model(self, *machines: str, kind: str = "maas", model_type: str = "iaas") -> None:
        model = {
            "name": "admin/edge",
            "short-name": "edge",
            "model-uuid": "u",
            "model-type": model_type,
            "controller-uuid": "c",
            "controller-name": "site",
            "is-controller": False,
            "cloud": "pis",
            "life": "alive",
            "type": kind,
            "machines": {name: {"cores": 4} for name in machines},
        }
        self.answer(show_model=json.dumps({"edge": model}))

    def calls(self, command: str) -> list[list[str]]:
        file = self._folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [call for call in map(json.loads, lines) if call[0] == command]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    made = FakeJuju(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def packed(site):
    """A bundle whose charm is packed."""
    (site.root / "dist").mkdir()
    with zipfile.ZipFile(site.root / "dist/shop_ubuntu-24.04-arm64.charm", "w") as archive:
        archive.writestr("metadata.yaml", "name: shop\n")
        manifest = "bases: [{name: ubuntu, channel: '24.04', architectures: [arm64]}]\n"
        archive.writestr("manifest.yaml", manifest)
    return site.write("bundle.yaml", BUNDLE)


def test_given_a_model_when_deployed_then_juju_gets_the_file_and_its_overlays(site, fake, packed):
    overlay = site.write("over.yaml", "applications: {web: {num_units: 2}}")

    said = juju.deploy(packed, [overlay])

    assert fake.calls("deploy") == [["deploy", str(packed), "--overlay", str(overlay)]]
    assert "Deploy of bundle completed." in said
    assert "admin/edge" in said


def test_given_a_relative_path_when_deployed_then_juju_does_not_take_it_for_a_name(
    site, fake, packed, monkeypatch
):
    monkeypatch.chdir(site.root)

    juju.deploy("bundle.yaml")

    assert fake.calls("deploy") == [["deploy", str(packed)]]


@pytest.mark.parametrize("kind", ["manual", "unmanaged"])
def test_given_machines_added_by_hand_when_deployed_then_they_are_used(fake, packed, kind):
    fake.model("0", "1", "2", kind=kind)

    juju.deploy(packed)

    assert fake.calls("deploy") == [["deploy", str(packed), "--map-machines=existing"]]


def test_given_too_few_machines_added_by_hand_when_deployed_then_it_says_how_to_add_them(
    fake, packed
):
    fake.model("1", kind="manual")

    with pytest.raises(juju.JujuError, match=r"lacks machine 0\. .*\n    juju add-machine ssh:"):
        juju.deploy(packed)

    assert fake.calls("deploy") == []


def test_given_trust_when_deployed_then_juju_is_told(fake, packed):
    text = packed.read_text().replace("num_units: 2", "num_units: 2\n    trust: true")
    packed.write_text(text)

    with pytest.raises(bundle.BundleError, match="deploy with --trust"):
        juju.deploy(packed)
    juju.deploy(packed, trust=True)

    assert fake.calls("deploy") == [["deploy", str(packed), "--trust"]]


def test_given_a_bundle_that_juju_refuses_when_deployed_then_juju_is_not_even_asked(
    site, fake, packed
):
    packed.write_text(packed.read_text() + "series: noble\n")

    with pytest.raises(bundle.BundleError, match="series is gone"):
        juju.deploy(packed)

    assert fake.calls("controllers") == fake.calls("deploy") == []


def test_given_charms_that_are_not_packed_when_deployed_then_it_says_how(site, fake):
    with pytest.raises(bundle.BundleError, match="is not packed yet: `tox run -e pack`"):
        juju.deploy(site.write("bundle.yaml", BUNDLE))

    assert fake.calls("deploy") == []


def test_given_no_client_when_deployed_then_it_says_what_to_install(packed, monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(juju.JujuError, match="sudo snap install juju") as e:
        juju.deploy(packed)

    assert "juju bootstrap" in str(e.value)


def test_given_no_controller_when_deployed_then_it_says_how_to_make_one(fake, packed):
    fake.know([])

    with pytest.raises(juju.JujuError, match="knows no controller") as e:
        juju.deploy(packed)

    assert "juju bootstrap site" in str(e.value)


def test_given_no_model_when_deployed_then_it_says_so_in_jujus_words(fake, packed):
    fake.answer(show_model=None)

    with pytest.raises(juju.JujuError, match="juju add-model edge") as e:
        juju.deploy(packed)

    assert "Juju says: ERROR show-model is down" in str(e.value)


def test_given_a_model_of_kubernetes_when_deployed_then_it_is_refused(fake, packed):
    fake.model(model_type="caas")

    with pytest.raises(juju.JujuError, match="is one of Kubernetes; the bundle is for machines"):
        juju.deploy(packed)


@pytest.mark.parametrize("command", ["controllers", "deploy"])
def test_given_juju_fails_when_deployed_then_its_words_are_kept(fake, packed, command):
    fake.answer(**{command: None})

    with pytest.raises(juju.JujuError, match=f"juju {command} failed: ERROR {command} is down"):
        juju.deploy(packed)


def test_given_juju_is_a_snap_when_the_bundle_is_not_at_home_then_it_says_where_to_put_it(
    packed, monkeypatch, tmp_path
):
    monkeypatch.setattr("shutil.which", lambda _: "/snap/bin/juju")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    with pytest.raises(juju.JujuError, match=r"juju is a snap: it reads files below .*/home only"):
        juju.deploy(packed)


def test_given_no_juju_when_the_command_line_deploys_then_it_ends_with_the_way_out(packed):
    command = [sys.executable, "-m", "edgelab", "up", str(packed), "--juju"]
    library = pathlib.Path(__file__).parents[2]

    done = subprocess.run(
        command,
        env={"PATH": "", "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "sudo snap install juju" in done.stderr
