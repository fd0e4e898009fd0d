import hypothesis
import pytest
from hypothesis import strategies

from edgelab import faults, pi

TIMED = [
    line.split(":")[0].strip()
    for line in faults.HELP.splitlines()
    if "@SECONDS" in line.split()[0]
]
WORD = strategies.from_regex(r"[a-z0-9/]+", fullmatch=True)


@hypothesis.given(strategies.text())
def test_given_any_text_when_parsed_then_it_is_a_fault_or_refused(text):
    try:
        fault = faults.parse(text)
    except faults.FaultError:
        return
    assert fault.target


@hypothesis.given(strategies.sampled_from(TIMED), WORD, strategies.integers(0, 10**6))
def test_given_any_fault_in_time_when_parsed_then_its_parts_are_found(kind, target, at):
    assert faults.parse(f"{kind}:{target}@{at}") == faults.FaultSpec(kind, target, float(at))


@hypothesis.given(
    strategies.sampled_from(["fail", "hang", "slow"]), WORD, WORD, WORD, strategies.integers(1, 99)
)
def test_given_any_fault_of_a_command_when_parsed_then_its_words_are_found(
    kind, target, program, word, nth
):
    fault = faults.parse(f"{kind}:{target}:{program}-{word}@{nth}")

    assert (fault.command, fault.at) == ((program, word), nth)


@pytest.mark.parametrize(("target", "bad"), [("*", {"0", "1"}), ("1", {"1"})])
def test_given_a_bad_build_when_armed_then_these_machines_have_it(deployed, target, bad):
    faults.arm(deployed, faults.parse(f"bad-build:{target}:8841@0"))

    assert deployed.world.bad_revisions == {f"{name}/8841": "sick" for name in bad}


@pytest.mark.parametrize(
    "text",
    [
        "bad-build:1@0",
        "",
        "power-off",
        "power-off:1",
        "power-off:@5",
        "power-off:1@soon",
        "power-off:1@-5",
        "power-off:1@5.5",
        "power-off:1@²",
        "explode:1@5",
        "fail:1@1",
        "hang:1:@1",
        "fail:1:microk8s@0",
        "power-off:1:microk8s@5",
    ],
)
def test_given_what_is_no_fault_when_parsed_then_it_is_refused(text):
    with pytest.raises(faults.FaultError):
        faults.parse(text)


def test_given_a_machine_that_is_not_there_when_armed_then_those_there_are_named(deployed):
    with pytest.raises(faults.FaultError, match="there is no '7', only 0, 1"):
        faults.arm(deployed, faults.parse("power-off:7@5"))


def test_given_what_lxd_will_host_when_armed_then_it_has_to_be_there_by_then(deployed):
    faults.arm(deployed, faults.parse("power-off:1/node@50"))
    faults.arm(deployed, faults.parse("power-off:1/late@60"))
    made = deployed.world.add_machine("1/node", container_of="1", instance="instances/default/n")

    with pytest.raises(faults.FaultError, match="there is no '1/late' after 60 s"):
        deployed.advance(100)

    assert not made.powered
    with pytest.raises(faults.FaultError, match="there is no '7/node'"):
        faults.arm(deployed, faults.parse("power-off:7/node@5"))


@pytest.mark.parametrize("kind", [k for k in TIMED if "controller" not in k])
def test_given_no_machine_but_a_star_when_only_one_can_be_meant_then_it_is_refused(deployed, kind):
    with pytest.raises(faults.FaultError, match="there is no"):
        faults.arm(deployed, faults.parse(f"{kind}:*@5"))


@pytest.mark.parametrize("kind", ["fail", "hang", "slow"])
def test_given_a_fault_of_a_command_when_armed_for_all_then_it_is_refused(deployed, kind):
    with pytest.raises(faults.FaultError, match="there is no"):
        faults.arm(deployed, faults.parse(f"{kind}:*:hostname@1"))


def test_given_a_power_cut_when_its_time_comes_then_the_machine_is_off(deployed):
    faults.arm(deployed, faults.parse("power-off:1@50"))

    deployed.advance(100)

    assert not deployed.world.machines["1"].powered
    assert [incident.text for incident in deployed.record.incidents] == ["power cut"]


def test_given_a_weak_supply_when_its_time_comes_then_the_run_tells_of_it_and_of_its_end(deployed):
    faults.arm(deployed, faults.parse("weak-supply:1@50"))
    faults.arm(deployed, faults.parse("good-supply:1@60"))

    deployed.advance(100)

    assert [(incident.machine, incident.text) for incident in deployed.record.incidents] == [
        ("1", "its power supply gets weak"),
        ("1", "its power supply is well again"),
    ]


def test_given_a_cut_from_the_controller_when_meant_for_all_then_all_are_cut(deployed):
    faults.arm(deployed, faults.parse("cut-controller:*@5"))

    deployed.advance(30)

    assert deployed.unreachable == {"0", "1"}


def test_given_every_fault_in_time_when_it_comes_then_it_happens_and_can_be_undone(settled):
    for number, kind in enumerate(TIMED):
        target = "greeter-a" if kind == "lose-leader" else "1"
        faults.arm(settled, faults.parse(f"{kind}:{target}@{number * 20}"))
    leader = settled.applications["greeter-a"].leader

    settled.advance(len(TIMED) * 20)
    settled.settle()

    assert settled.applications["greeter-a"].leader != leader
    assert {unit.status.name for unit in settled.units.values()} == {"active"}


def test_given_a_command_that_is_to_fail_when_called_so_often_then_it_does(deployed):
    faults.arm(deployed, faults.parse("fail:0:hostname@2"))
    (fault,) = deployed.world.machines["0"].faults

    deployed.settle()

    assert fault.effect == pi.fail(1, "made to fail")
    failed = [hook.unit for hook in deployed.record.hooks if not hook.ok]
    assert failed == ["greeter-a/0"]


@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_given_a_command_that_takes_too_long_when_called_then_its_hook_fails_and_runs_again(
    deployed, kind
):
    faults.arm(deployed, faults.parse(f"{kind}:0:hostname@1"))

    deployed.settle()

    (late,) = [hook for hook in deployed.record.hooks if not hook.ok]
    assert late.outcome.startswith("TimeoutExpired")
    assert 10 <= late.seconds < 20


def test_given_a_clock_that_stands_still_when_time_passes_then_only_that_machine_is_behind(
    settled,
):
    faults.arm(settled, faults.parse("stop-clock:1@10"))
    faults.arm(settled, faults.parse("start-clock:1@3610"))

    settled.advance(3000)
    late = [settled.clock.now() - settled.world.machines[name].now() for name in ("0", "1")]
    settled.advance(1000)

    assert late[0] == 0
    assert late[1] > 2900
    assert settled.world.machines["1"].now() == settled.clock.now()
    incidents = [incident.text for incident in settled.record.incidents]
    assert incidents == ["its clock stands still", "its clock is right again"]


def test_given_a_lone_unit_when_it_is_to_lose_the_leadership_then_it_keeps_it(settled):
    settled.remove_unit("greeter-a/1")
    settled.settle()
    faults.arm(settled, faults.parse("lose-leader:greeter-a@5"))

    settled.advance(30)

    assert settled.applications["greeter-a"].leader == "greeter-a/0"
