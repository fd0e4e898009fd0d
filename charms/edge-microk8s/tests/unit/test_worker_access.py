import dataclasses

import pytest

import access
import microk8s
import worker_access
from edgecloud.host import kubectl
from edgecloud.interfaces.cluster_join import ClusterRecord, Member, MemberReport
from edgecloud.interfaces.handouts import Handout

DAY = 86400
WORKER = Member("kiosk/0", "pi-1", "10.20.0.12", "worker", "joined")


@dataclasses.dataclass
class Members:
    """A steward's end whose secrets are a dict."""

    acts: MemberReport = dataclasses.field(default_factory=MemberReport)
    secrets: dict[str, str] = dataclasses.field(default_factory=dict)

    def my_acts(self):
        return self.acts

    def hand_out(self, unit, content, *, what, until):
        self.secrets[unit] = content["token"]
        return Handout(unit, f"secret:{unit}", until)

    def take_back(self, handout, *, what):
        self.secrets.pop(handout.unit, None)


@dataclasses.dataclass
class End:
    """A worker's end."""

    handout: Handout | None = None
    token: str | None = None

    def access(self):
        return self.handout

    def read(self, _):
        return {"token": self.token} if self.token else None


@pytest.fixture
def members():
    return Members()


def keep(pis, members, *present):
    facts = ClusterRecord(cluster="ca", members=present)
    members.acts = MemberReport(accesses=worker_access.keep(pis.host(0), members, facts))
    return members.acts.accesses


def test_given_a_worker_when_kept_then_it_has_a_token_for_a_month(with_worker, members):
    (made,) = keep(with_worker, members, WORKER)

    assert made.until - with_worker.world.clock.now() == pytest.approx(30 * DAY, abs=120)
    assert access.expires(members.secrets["kiosk/0"]) == made.until


@pytest.mark.parametrize(("days", "renewed"), [(19, False), (20.1, True)])
def test_given_a_token_when_days_pass_then_it_is_replaced_in_time(
    with_worker, members, days, renewed
):
    first = keep(with_worker, members, WORKER)
    with_worker.world.clock.advance(days * DAY)

    assert (keep(with_worker, members, WORKER) != first) is renewed


def test_given_a_fresh_token_when_kept_then_no_command_is_run(with_worker, members):
    keep(with_worker, members, WORKER)
    calls = len(with_worker.world.calls)

    keep(with_worker, members, WORKER)

    assert len(with_worker.world.calls) == calls


def test_given_a_worker_that_is_out_when_kept_then_its_secret_is_gone(with_worker, members):
    keep(with_worker, members, WORKER)

    assert keep(with_worker, members) == ()
    assert members.secrets == {}


def test_given_an_account_when_withdrawn_then_its_token_is_good_for_nothing(with_worker, members):
    handout = keep(with_worker, members, WORKER)[0]
    host = with_worker.host(1)
    worker_access.ensure_kubeconfig(host, End(handout, members.secrets["kiosk/0"]))

    worker_access.withdraw(with_worker.host(0), "pi-1")

    with pytest.raises(kubectl.KubectlError):
        kubectl.get_json(host, worker_access.KUBECONFIG, "node", "pi-1")
    worker_access.withdraw(with_worker.host(0), "pi-1")


def test_given_a_token_when_it_arrives_then_a_file_for_root_alone_asks_the_own_proxy(with_worker):
    host = with_worker.host(1)
    until = with_worker.world.clock.now() + DAY

    path = worker_access.ensure_kubeconfig(host, End(Handout("kiosk/0", "s:1", until), "t.o.k"))

    assert path == worker_access.KUBECONFIG
    assert host.path(path).stat().st_mode & 0o777 == 0o600
    assert "https://127.0.0.1:16443" in host.read(path)
    assert "t.o.k" in host.read(path)


def test_given_a_secret_that_cannot_be_read_when_kept_then_the_file_stays_to_its_end(with_worker):
    host, until = with_worker.host(1), with_worker.world.clock.now() + DAY
    worker_access.ensure_kubeconfig(host, End(Handout("kiosk/0", "s:1", until), "t.o.k"))

    later = End(Handout("kiosk/0", "s:2", until + DAY), None)
    before = worker_access.ensure_kubeconfig(host, later)
    with_worker.world.clock.advance(DAY + 1)

    assert before == worker_access.KUBECONFIG
    assert worker_access.ensure_kubeconfig(host, End()) is None


def test_given_no_token_yet_when_asked_then_there_is_no_file(with_worker):
    assert worker_access.ensure_kubeconfig(with_worker.host(1), End()) is None
    assert not with_worker.host(1).exists(worker_access.KUBECONFIG)


def test_given_the_account_when_written_down_then_it_names_its_node_and_nothing_sweeping():
    rules = [rule for item in worker_access.manifests("pi-1") for rule in item.get("rules", [])]

    assert all("*" not in each for rule in rules for each in rule.values())
    (nodes,) = [rule for rule in rules if rule["resources"] == ["nodes"]]
    assert nodes["resourceNames"] == ["pi-1"]
    assert not any({"secrets", "nodes/proxy"} & set(rule["resources"]) for rule in rules)


def test_given_a_worker_without_its_file_when_asked_then_the_kubelets_cannot_drain(with_worker):
    host = with_worker.host(1)

    with pytest.raises(kubectl.KubectlError, match="orbidden"):
        kubectl.drain(host, microk8s.KUBELET, "pi-1", 30)


def test_given_a_hosted_node_when_kept_then_it_has_an_account_of_its_own(with_worker, members):
    hosted = dataclasses.replace(WORKER, unit="edge-lxd/0:1a")

    (made,) = keep(with_worker, members, hosted)

    assert made.unit == "edge-lxd/0:1a"
    assert members.secrets["edge-lxd/0:1a"]
