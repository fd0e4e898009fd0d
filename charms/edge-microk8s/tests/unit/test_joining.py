import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import join_tokens
import joining
import microk8s
from edgecloud.interfaces.cluster_join import Admission, ClusterRecord, JoinOffer, NodeReport
from edgelab import pi

NOW = 1_800_000_000.0
SELF = joining.Identity("pi-1", "10.20.0.12", "control-plane", "abc")
RECORD = ClusterRecord(cluster="abc", admission=Admission("edge-a/1", 2, NOW + 900))


@dataclasses.dataclass
class End:
    """A joiner's end that knows one record and one offer, and remembers what was said."""

    admission: Admission
    offered: JoinOffer | None = None
    address: str | None = None
    cluster: str = "abc"
    said: list[NodeReport] = dataclasses.field(default_factory=list)

    def record(self):
        return ClusterRecord(cluster=self.cluster, admission=self.admission)

    def offer(self):
        return self.offered

    def url(self, _):
        return self.address

    def report(self):
        return self.said[-1] if self.said else NodeReport()

    def publish(self, report):
        self.said.append(report)


def report(identity=SELF, *, last=joining.Attempt(), seen=False, record=RECORD, **fields):  # noqa: B008
    return joining.report(
        identity, unit="edge-a/1", record=record, last=last, seen=seen, now=NOW, **fields
    )


# --- what is said ----------------------------------------------------------------------------


def test_given_a_node_outside_when_it_reports_then_it_says_all_that_admission_takes():
    assert report() == NodeReport("pi-1", "10.20.0.12", "control-plane", "abc")


def test_given_a_node_that_is_seen_when_it_reports_then_it_joined():
    assert report(last=joining.Attempt(2, NOW), seen=True).joined


def test_given_a_node_of_another_cluster_when_it_is_seen_there_then_it_did_not_join():
    other = dataclasses.replace(SELF, ca="other")

    assert report(other, seen=True).joined is None


def test_given_no_cluster_when_a_node_sees_itself_then_it_did_not_join():
    assert report(seen=True, record=ClusterRecord()).joined is None


def test_given_a_member_that_is_not_ready_when_it_reports_then_it_still_belongs(member):
    record = ClusterRecord(cluster="abc", members=(member(1),))

    assert report(record=record).joined


@pytest.mark.parametrize(
    ("last", "error"),
    [
        pytest.param(joining.Attempt(), None, id="never tried"),
        pytest.param(joining.Attempt(2, NOW, "refused"), "refused", id="refused"),
        pytest.param(joining.Attempt(2, NOW - 10), None, id="may still come good"),
        pytest.param(
            joining.Attempt(2, NOW - joining.VERIFY_S - 1),
            "the join ended well, but the node is not in the cluster",
            id="ended well, to no effect",
        ),
    ],
)
def test_given_an_attempt_when_the_node_is_not_in_then_the_report_says_why(last, error):
    said = report(last=last)

    assert (said.error, said.joined) == (error, None)
    assert said.attempt == (last.number or None)


@hypothesis.given(
    strategies.integers(0, 9), strategies.integers(0, 9), strategies.floats(NOW - 2000, NOW + 2000)
)
def test_given_any_offer_when_judged_then_it_is_used_once_and_only_in_time(offered, tried, until):
    record = ClusterRecord(admission=Admission("edge-a/1", offered, until))
    offer = JoinOffer("edge-a/1", offered, "secret:x")

    use = joining.should_join(offer, joining.Attempt(tried), record, NOW)

    assert use is (offered > tried and until - NOW > joining.VERIFY_S)


def test_given_no_offer_or_no_admission_when_judged_then_nothing_is_used():
    offer = JoinOffer("edge-a/1", 2, "secret:x")

    assert not joining.should_join(None, joining.Attempt(), RECORD, NOW)
    assert not joining.should_join(offer, joining.Attempt(), ClusterRecord(), NOW)


# --- what is remembered ----------------------------------------------------------------------


def test_given_an_attempt_when_remembered_then_it_is_known_later(pis):
    host = pis.add(0).host(0)
    attempt = joining.Attempt(3, NOW, "refused")

    joining.remember(host, attempt)

    assert joining.last_attempt(host) == attempt


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_given_a_memory_that_was_cut_short_when_read_then_there_was_no_attempt(pis, text):
    host = pis.add(0).host(0)
    host.write(joining.MEMORY, text)

    assert joining.last_attempt(host) == joining.Attempt()


def test_given_no_certificates_yet_when_identified_then_there_is_nobody(pis):
    host = pis.add(0).host(0)

    assert joining.identify(host, address="10.20.0.11", role="worker") is None


# --- on machines -----------------------------------------------------------------------------


def take_part(pis, end, number=1, role="control-plane"):
    """Do what the charm does in a hook, and return whether an attempt was made."""
    host = pis.host(number)
    tried = joining.try_to_join(host, end, role)
    joining.say(
        host,
        end,
        joining.look(host),
        unit=f"edge-a/{number}",
        address=pis.address(number),
        role=role,
        wants_turn=False,
    )
    return tried


@pytest.fixture
def pair(pis):
    return pis.add(0, 1).install(0, 1)


@pytest.fixture
def offered(pair):
    """An end with a good offer of the first machine to the second."""
    cluster = microk8s.authority(pair.host(0))
    until = pair.world.clock.now() + 900
    url = join_tokens.mint(pair.host(0), pair.address(0))
    return End(Admission("edge-a/1", 1, until), JoinOffer("edge-a/1", 1, "secret:x"), url, cluster)


def test_given_an_offer_when_taking_part_then_the_node_joins(pair, offered):
    assert take_part(pair, offered)

    pair.settle()
    take_part(pair, offered)
    assert offered.said[-1].joined
    assert len(pair.members()) == 2


def test_given_an_offer_that_was_tried_when_taking_part_again_then_it_is_left_alone(pair, offered):
    take_part(pair, offered)
    before = len(pair.ran("run", "--shell"))

    assert not take_part(pair, offered)
    assert len(pair.ran("run", "--shell")) == before


def test_given_a_secret_that_was_withdrawn_when_taking_part_then_nothing_is_tried(pair, offered):
    offered.address = None

    assert not take_part(pair, offered)
    assert joining.last_attempt(pair.host(1)) == joining.Attempt()


def test_given_a_refusal_when_taking_part_then_it_is_told_without_the_token(pair, offered):
    token = offered.address.split("/")[1]
    pair.fail(1, "snap", "run", effect=pi.fail(1, f"Invalid token {token} (500)."))

    take_part(pair, offered)

    assert "Invalid token" in offered.said[-1].error
    assert token not in offered.said[-1].error
    assert not pair.host(1).exists(f"{microk8s.LOCKS}/join-in-progress")


def test_given_a_power_cut_while_joining_when_it_is_back_then_the_token_is_not_used_again(
    pair, offered
):
    pair.fail(1, "snap", "run", effect=pi.cut_before())
    with pytest.raises(pi.PowerCut):
        take_part(pair, offered)
    pair.world.machines["1"].power_on()
    pair.settle()

    assert not take_part(pair, offered)
    assert offered.said[-1].attempt == 1


def test_given_a_worker_when_it_joined_then_its_authority_is_that_of_the_cluster(with_worker):
    host = with_worker.host(1)

    identity = joining.identify(host, address="10.20.0.12", role="worker")

    assert identity.ca == microk8s.authority(with_worker.host(0))
    assert joining.is_seen(joining.look(host), identity)


def test_given_a_control_plane_without_a_member_when_looked_for_then_it_is_not_seen(seen):
    assert joining.is_seen(seen("ready", "ready"), SELF)
    assert not joining.is_seen(seen("ready", "ready", workers=1), SELF)
    assert not joining.is_seen(None, SELF)
