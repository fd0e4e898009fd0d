"""Where programs of a newer Debian come from."""

import pytest

import newer_programs

SECURITY = "http://mirror.example/debian-security|Debian|bookworm-security"
OTHERS = "http://other.example/apt|Others|stable"
DEBIAN = "http://mirror.example/debian|Debian|bookworm"


def test_given_what_apt_knows_when_asked_then_the_mirror_of_debian_itself_is_taken():
    assert newer_programs.mirror([OTHERS, SECURITY, DEBIAN]) == "http://mirror.example/debian"


def test_given_no_debian_when_asked_then_the_remedy_is_said():
    with pytest.raises(newer_programs.FetchError, match="run apt-get update on a Debian machine"):
        newer_programs.mirror([OTHERS, SECURITY])


def test_given_no_command_when_run_then_the_usage_is_shown(capsys):
    assert newer_programs.main(["folder"]) == 2
    assert "usage: newer_programs.py FOLDER COMMAND" in capsys.readouterr().out
