import json
import os
import pathlib
import subprocess
import sys
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from edgelab import pi
from edgelab.pi import codec, state

CONFIG = "--kubeconfig=/var/snap/microk8s/current/credentials/client.config"


@pytest.fixture
def bin0(site, tmp_path):
    """The executables of the first machine, installed outside the world."""
    site.world.save()
    directory = tmp_path / "bin"
    pi.install(directory, site.world.root, "0", link_into=tmp_path / "root")
    return directory


def run(program, *words, stdin=None):
    return subprocess.run(
        [str(program), *words],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_given_executables_when_used_then_they_keep_their_state_on_disk(bin0, site, tmp_path):
    installed = run(bin0 / "snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    listed = run(bin0 / "snap", "list", "microk8s")
    status = run(bin0 / "microk8s", "status", "--wait-ready", "--timeout", "120")
    kubectl = tmp_path / "root" / "snap" / "microk8s" / "current" / "kubectl"
    nodes = run(kubectl, CONFIG, "get", "nodes", "-o", "json")

    assert installed.returncode == 0 and "1.35/stable" in listed.stdout
    assert status.stdout.startswith("microk8s is running")
    assert json.loads(nodes.stdout)["items"][0]["metadata"]["name"] == "pi-0"
    assert (tmp_path / "root" / "var" / "snap" / "microk8s" / "current" / "args").is_dir()


def test_given_executable_when_it_reads_its_input_then_it_gets_it(bin0):
    run(bin0 / "nft", "-f", "-", stdin="table inet x {\n chain c {\n }\n}\n")

    assert "table inet x" in run(bin0 / "nft", "list", "ruleset").stdout


def test_given_same_commands_when_run_in_process_then_the_answers_are_the_same(bin0, site):
    words = ("install", "microk8s", "--classic", "--channel=1.34")

    outside = run(bin0 / "snap", *words)
    inside = site.snap(0, *words)

    assert (outside.returncode, outside.stdout) == (inside.returncode, inside.stdout)
    assert run(bin0 / "snap", "list").stdout == site.snap(0, "list").stdout


def test_given_missing_program_when_run_then_127(bin0):
    assert run(bin0 / "microk8s", "status").returncode == 127


def test_given_power_cut_when_executable_runs_then_137_and_the_machine_is_off(site, tmp_path):
    site.machine(0).faults.add(pi.Fault(("ss",), pi.cut_before()))
    site.world.save()
    pi.install(tmp_path / "bin", site.world.root)

    codes = [run(tmp_path / "bin" / "ss", "-H", "-ltn").returncode for _ in range(2)]

    assert codes == [137, 137]
    assert not pi.World.load(site.world.root).machines["0"].powered


def test_given_hanging_fault_when_executable_runs_then_it_hangs_without_the_lock(site, tmp_path):
    site.machine(0).faults.add(pi.Fault(("hostname",), pi.hang()))
    site.world.save()
    pi.install(tmp_path / "bin", site.world.root)

    hanging = subprocess.Popen([str(tmp_path / "bin" / "hostname")])
    try:
        deadline = time.monotonic() + 20
        while pi.World.load(site.world.root).machines["0"].faults.pending:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answer = run(tmp_path / "bin" / "hostname")
        alive = hanging.poll() is None
    finally:
        hanging.kill()
        hanging.wait()

    assert alive and answer.stdout == "pi-0\n"


def test_given_many_at_once_when_they_run_then_no_command_is_lost(bin0, site):
    running = [
        subprocess.Popen([str(bin0 / "snap"), "set", "system", f"key{number}=1"])
        for number in range(6)
    ]
    codes = [item.wait(timeout=60) for item in running]

    settings = pi.World.load(site.world.root).machines["0"].snapd_settings
    assert codes == [0] * 6
    assert len(settings) == 6


def test_given_named_programs_when_installed_then_only_those_are(site, tmp_path):
    site.world.save()

    written = pi.install(tmp_path / "bin", site.world.root, programs=("snap", "microk8s"))

    assert sorted(path.name for path in written) == ["microk8s", "snap"]
    assert os.access(written[0], os.X_OK)


def test_given_installation_when_made_then_real_programs_are_left_alone(bin0):
    assert not (bin0 / "python3").exists() and not (bin0 / "tar").exists()
    assert sys.executable in (bin0 / "snap").read_text()


def test_given_real_clock_when_loaded_then_time_is_this_computer_s(tmp_path):
    world = pi.World(tmp_path, pi.RealClock())
    world.speed = 0.001
    world.add_machine("0")
    world.save()

    loaded = pi.World.load(tmp_path)

    assert abs(loaded.machines["0"].host().now() - time.time()) < 5
    assert loaded.machines["0"].host().run(["/usr/bin/true"], timeout_s=5).returncode == 0


def test_given_busy_world_when_saved_and_loaded_then_it_is_the_same(quartet):
    quartet.machine(0).faults.add(pi.Fault(("snap",), pi.fail(3), nth=5))
    quartet.world.cut("0", "1")
    quartet.world.save()

    loaded = pi.World.load(quartet.world.root)
    loaded.save()

    again = pi.World.load(quartet.world.root)
    assert loaded.clusters == again.clusters == quartet.world.clusters
    assert loaded.clock.now() == quartet.world.clock.now()
    assert loaded.cuts == {("0", "1")}
    assert list(loaded.machines["0"].faults) == list(quartet.machine(0).faults)


def test_given_loaded_world_when_it_goes_on_then_it_behaves_as_the_saved_one(trio):
    trio.world.save()
    loaded = pi.World.load(trio.world.root)
    config = CONFIG

    answers = []
    for world in (trio.world, loaded):
        command = ("/snap/microk8s/current/kubectl", config, "get", "nodes", "-o", "json")
        answers.append(world.machines["0"].host().run(command, timeout_s=30).stdout)

    assert answers[0] == answers[1]


def test_given_same_seed_when_run_twice_then_everything_is_the_same(tmp_path):
    def tokens(folder):
        world = pi.World(folder, pi.Clock(), seed=7)
        world.add_machine("0")
        host = world.machines["0"].host()
        host.run(["/usr/bin/snap", "install", "microk8s", "--classic"], timeout_s=900)
        return host.run(
            ["/snap/bin/microk8s", "add-node", "--format", "json"], timeout_s=90
        ).stdout

    assert tokens(tmp_path / "a") == tokens(tmp_path / "b")


SERVICES = st.builds(
    state.Service,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.floats(0, 1e9),
    st.integers(0, 99),
)
NODES = st.builds(
    state.Node,
    cluster=st.text(),
    member=st.integers(0, 2**60),
    services=st.dictionaries(st.text(), SERVICES),
    api_at=st.sampled_from([0.0, float("inf"), 12.5]),
)


@hypothesis.given(NODES)
def test_given_any_node_when_encoded_and_decoded_then_it_is_the_same(node):
    assert codec.decode(state.Node, codec.loads(codec.dumps(node))) == node


def test_given_unknown_field_when_decoded_then_it_is_ignored():
    assert codec.decode(state.Unit, {"enabled": True, "later": 1}) == state.Unit(enabled=True)


def test_given_world_folder_when_saved_then_only_its_owner_may_read_it(site):
    site.world.save()

    assert pathlib.Path(site.world.root / "world.json").stat().st_mode & 0o777 == 0o600
