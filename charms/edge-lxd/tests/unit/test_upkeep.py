"""What a member's status says although nothing is wrong with the cluster."""

import pytest

import upkeep
import view
from edgecloud.lxd import storage


def warn(pis, kind, severity, member=""):
    """Have LXD warn of something."""
    [site] = [one for one in pis.world.lxd_sites.values() if one.members]
    site.objects[f"warnings/{len(site.objects)}"] = {
        "uuid": f"{len(site.objects)}",
        "type": kind,
        "severity": severity,
        "status": "new",
        "location": member,
    }


def notes(pis):
    return upkeep.notes(pis.host(0), pis.api(0), view.look(pis.host(0)))


def test_given_nothing_to_say_when_looked_at_then_nothing_is_said(trio):
    assert notes(trio) == []


def test_given_warnings_when_looked_at_then_the_worst_of_this_member_is_named(trio):
    warn(trio, "Of no matter", "low")
    warn(trio, "Another's", "high", member="edge-lxd-1")
    assert notes(trio) == []

    warn(trio, "Offline cluster member", "moderate")
    warn(trio, "Unable to update cluster certificate", "high", member="edge-lxd-0")
    assert notes(trio) == ["LXD warns: Unable to update cluster certificate"]


@pytest.mark.parametrize(("used", "said"), [(84, []), (91, ["pool local is 91% full"])])
def test_given_a_pool_when_it_fills_up_then_it_is_said(trio, monkeypatch, used, said):
    monkeypatch.setattr(storage, "space", lambda *_: storage.Space(used, 100, 0, 0))

    assert notes(trio) == said


def test_given_a_kernel_setting_that_somebody_changed_when_looked_at_then_it_is_named(trio):
    trio.host(0).write("/proc/sys/kernel/panic", "0\n")

    assert notes(trio) == ["kernel settings changed: kernel.panic=0"]


def test_given_no_answer_when_looked_at_then_nothing_is_made_up(trio):
    seen = view.look(trio.host(0))
    trio.fail(0, "api", "GET", "/1.0/warnings")

    assert upkeep.notes(trio.host(0), trio.api(0), seen) == []
