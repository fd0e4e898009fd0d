"""Tests of measuring a run of the metrics."""

import pytest

from bench import gauges, packed_agent
from edgecloud.agent.gauges import kept, writing

QUIET = packed_agent.Run(0.1, 1024, ("/usr/bin/vcgencmd",), (writing.TEXTFILE,))


def test_given_a_control_plane_when_measured_then_a_quiet_run_starts_one_program(tmp_path):
    bench = gauges.prepare(tmp_path)

    first, second = bench.run(), bench.run()

    assert set(first.files) == {writing.TEXTFILE, kept.PATH}
    assert {"/usr/bin/snap", "/snap/microk8s/current/kubectl"} < set(first.processes)
    assert (second.processes, second.files) == (QUIET.processes, QUIET.files)
    assert second.processor_s > 0


@pytest.mark.parametrize(
    ("run", "met"),
    [
        (QUIET, True),
        (packed_agent.Run(0.2, 1024, QUIET.processes, QUIET.files), False),
        (packed_agent.Run(0.1, 1024, QUIET.processes * 2, QUIET.files), False),
        (packed_agent.Run(0.1, 1024, QUIET.processes, (*QUIET.files, kept.PATH)), False),
    ],
)
def test_given_runs_when_reported_then_time_processes_and_files_all_count(capsys, run, met):
    result = gauges.report(0.01, QUIET, [QUIET, run, run])

    assert result is met
    assert ("MISSED" in capsys.readouterr().out) is not met
