import subprocess

from edgecloud.host import ports

SS = ("/usr/bin/ss", "-H", "-ltn")
SAID = """\
LISTEN 0 4096 127.0.0.1:16443 0.0.0.0:*
LISTEN 0 4096 [::]:8443 [::]:*
LISTEN 0 128 0.0.0.0:22 0.0.0.0:*
a line that says nothing
"""


def test_given_listeners_when_asked_then_only_wanted_ports_are_told_in_order(machine):
    machine.answer(*SS, stdout=SAID)

    assert ports.taken(machine, {16443, 8443, 8444}) == (8443, 16443)


def test_given_nobody_who_can_tell_when_asked_then_no_port_is_called_taken(machine):
    machine.answer(*SS, error=subprocess.TimeoutExpired(SS, 20))

    assert ports.taken(machine, {22}) == ()
