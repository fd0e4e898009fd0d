import io
import re

import pytest
import rich.console

from edgelab import cli, progress


def up(capsys, *words):
    code = cli.main(["up", *map(str, words)])
    return code, *capsys.readouterr()


def test_given_a_bundle_when_deployed_then_status_and_timeline_are_printed(capsys, make_bundle):
    code, out, err = up(capsys, make_bundle())

    assert (code, err) == (0, "")
    assert "Deploying small.yaml: 2 units on 2 simulated machines" in out
    assert re.search(r"greeter-a/0\*? +active +idle +0 ", out)
    assert re.search(r"greeter-a/1 +.*█", out)
    assert re.search(r"\d+ hooks, .* of virtual time", out)


def test_given_no_terminal_when_deployed_then_plain_lines_tell_how_it_goes(capsys, make_bundle):
    _, out, _ = up(capsys, make_bundle())

    assert re.search(r"^\[0:00:\d\d\] greeter-a/0 +active: hello$", out, re.MULTILINE)
    assert "\x1b" not in out


def test_given_a_bundle_that_juju_refuses_when_deployed_then_it_says_where(capsys, make_bundle):
    path = make_bundle("greeting: hello", "greting: hello")
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "greting" in text)

    code, out, err = up(capsys, path)

    assert (code, out) == (cli.EXIT_REFUSED, "")
    assert f"small.yaml:{line}: " in err
    assert "did you mean 'greeting'" in err


def test_given_no_such_bundle_when_deployed_then_it_says_so(capsys, tmp_path):
    code, _, err = up(capsys, tmp_path / "none.yaml")

    assert code == cli.EXIT_REFUSED
    assert "none.yaml" in err


@pytest.mark.parametrize("fault", ["explode:1@5", "power-off:7@5"])
def test_given_a_fault_that_makes_no_sense_when_deployed_then_it_is_refused(
    capsys, make_bundle, fault
):
    code, _, err = up(capsys, make_bundle(), "--fault", fault)

    assert code == cli.EXIT_REFUSED
    assert fault.partition(":")[0] in err


def test_given_a_charm_that_never_settles_when_deployed_then_the_unit_is_named(
    capsys, make_bundle, tmp_path
):
    path = make_bundle("greeting: hello", "greeting: fail")

    code, out, err = up(capsys, path, "--hours", "0.2", "--html", tmp_path / "page.html")

    assert code == cli.EXIT_UNSETTLED
    assert "greeter-a/0: hook failed: install" in err
    assert "install failed: RuntimeError: told to fail" in out
    assert "told to fail" in (tmp_path / "page.html").read_text()


def test_given_a_fault_when_deployed_then_the_run_shows_it(capsys, make_bundle):
    code, out, _ = up(capsys, make_bundle(), "--fault", "fail:1:hostname@1")

    assert code == 0
    assert re.search(r"greeter-a/1 +install failed: CalledProcessError", out)


def test_given_a_fault_in_time_when_it_comes_then_a_line_tells_of_it(capsys, make_bundle):
    faults = ("--fault", "power-off:1@600", "--fault", "power-on:1@700")

    code, out, _ = up(capsys, make_bundle(), *faults)

    assert code == 0
    assert re.search(r"^\[0:10:00\] machine 1 +power cut$", out, re.MULTILINE)
    assert re.search(r"^\[0:11:40\] machine 1 +powered on$", out, re.MULTILINE)


def test_given_a_page_when_asked_for_then_it_is_written(capsys, make_bundle, tmp_path):
    file = tmp_path / "page.html"

    code, out, _ = up(capsys, make_bundle(), "--html", file)

    assert code == 0
    assert f"Page: {file}" in out.replace("\n", "")
    assert "small on simulated Pis" in file.read_text()


@pytest.mark.parametrize("page", ["none/page.html", "bundles"])
def test_given_no_place_for_the_page_when_asked_for_then_it_is_refused_before_anything_runs(
    capsys, make_bundle, tmp_path, page
):
    with pytest.raises(SystemExit) as end:
        up(capsys, make_bundle(), "--html", tmp_path / page)

    out, err = capsys.readouterr()
    assert (end.value.code, out) == (cli.EXIT_REFUSED, "")
    assert f"--html {tmp_path / page}" in err


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "1e9", "soon"])
def test_given_hours_in_which_nothing_can_settle_when_deployed_then_they_are_refused(
    capsys, make_bundle, hours
):
    with pytest.raises(SystemExit) as end:
        up(capsys, make_bundle(), "--hours", hours)

    assert end.value.code == cli.EXIT_REFUSED
    assert "--hours" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seed", "3"),
        ("--fault", "power-off:0@1"),
        ("--story", "page.md"),
        ("--hours", "1"),
        ("--html", "page.html"),
    ],
)
def test_given_an_option_of_the_lab_when_a_real_model_is_meant_then_it_is_refused(
    capsys, make_bundle, option, value
):
    with pytest.raises(SystemExit) as end:
        up(capsys, make_bundle(), "--juju", option, value)

    assert end.value.code == cli.EXIT_REFUSED
    assert f"{option} is for the lab: leave it out with --juju" in capsys.readouterr().err


def test_given_the_same_seed_when_deployed_again_then_it_goes_the_same(capsys, make_bundle):
    path = make_bundle()

    runs = [up(capsys, path, "--seed", "5")[1].rpartition("virtual time")[0] for _ in range(2)]

    assert runs[0] == runs[1]


def test_given_an_overlay_when_deployed_then_it_applies(capsys, make_bundle, tmp_path):
    path = make_bundle()
    overlay = tmp_path / "bundles/over.yaml"
    overlay.write_text("applications: {greeter-a: {options: {greeting: servus}}}\n")

    _, out, _ = up(capsys, path, "--overlay", overlay)

    assert "active: servus" in out


def test_given_help_when_asked_for_then_faults_are_explained(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["up", "--help"])

    assert end.value.code == 0
    assert "power-off:MACHINE@SECONDS" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["down"], ["up"], ["up", "x.yaml", "--sed", "1", "y"]])
def test_given_words_that_are_no_command_when_run_then_the_usage_is_shown(capsys, words):
    with pytest.raises(SystemExit) as end:
        cli.main(words)

    assert end.value.code == 2
    assert "usage: edgelab" in capsys.readouterr().err


def test_given_no_juju_client_when_a_real_model_is_meant_then_it_says_what_to_install(
    capsys, make_bundle, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))

    code, _, err = up(capsys, make_bundle(), "--juju")

    assert code == cli.EXIT_REFUSED
    assert "snap install juju" in err


def test_given_a_charm_that_asks_for_credentials_when_a_real_model_is_meant_then_trust_lets_it(
    capsys, make_bundle, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = make_bundle("num_units: 2", "num_units: 2\n    trust: true")

    _, _, refused = up(capsys, path, "--juju")
    _, _, trusted = up(capsys, path, "--juju", "--trust")

    assert "deploy with --trust if it may" in refused
    assert "snap install juju" in trusted


def test_given_trust_when_the_lab_is_meant_then_it_is_refused(capsys, make_bundle):
    with pytest.raises(SystemExit):
        up(capsys, make_bundle(), "--trust")

    assert "--trust is for --juju" in capsys.readouterr().err


def test_given_a_terminal_when_hooks_run_then_a_table_is_kept_up_to_date(deployed):
    file = io.StringIO()
    console = rich.console.Console(file=file, force_terminal=True, width=120)

    with progress.shown(deployed, console):
        deployed.settle()
        deployed.cut_peers("1")

    assert "greeter-a/0" in file.getvalue()
    assert re.search(r"\] machine 1 +cut from its peers", file.getvalue())
    assert (deployed.record.watchers, deployed.record.incident_watchers) == ([], [])


def test_given_a_run_that_is_broken_off_when_shown_then_nobody_watches_any_more(deployed):
    console = rich.console.Console(file=io.StringIO())

    with pytest.raises(KeyboardInterrupt), progress.shown(deployed, console):
        raise KeyboardInterrupt

    assert deployed.record.watchers == []
