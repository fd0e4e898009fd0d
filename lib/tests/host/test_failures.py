import subprocess

import pytest

from edgecloud.host import failures


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (subprocess.TimeoutExpired(["snap"], 30), "snap list took longer than 30 s"),
        (subprocess.CalledProcessError(2, ["snap"], "", " no \n"), "snap list failed: no"),
        (subprocess.CalledProcessError(2, ["snap"], "out", ""), "snap list failed: out"),
        (subprocess.CalledProcessError(2, ["snap"]), "snap list failed: exit code 2"),
        (FileNotFoundError(2, "No such file"), "snap list could not be run: [Errno 2]"),
    ],
    ids=["time", "stderr", "stdout", "silent", "missing"],
)
def test_given_a_failure_when_explained_then_it_says_why(error, sentence):
    assert failures.explain(error, "snap list").startswith(sentence)


def test_given_a_long_complaint_when_explained_then_its_end_is_kept():
    error = subprocess.CalledProcessError(1, ["x"], "", "noise " * 500 + "the reason")

    explained = failures.explain(error, "x")

    assert explained.endswith("the reason")
    assert len(explained) < 700
