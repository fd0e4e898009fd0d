import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import join_tokens
import microk8s
import ways_back
from edgecloud.host import failures, rejoin_offer
from edgecloud.interfaces.cluster_join import ClusterRecord, Member, MemberReport
from edgecloud.interfaces.handouts import Handout
from edgelab import pi

HOUR = 3600
planes = strategies.sets(strategies.integers(0, 30), min_size=1, max_size=9)


def record(*numbers, workers=(), state="joined"):
    found = [Member(f"m/{n}", f"pi-{n}", f"10.0.0.{n}", "control-plane", state) for n in numbers]
    found += [Member(f"w/{n}", f"pi-{n}", f"10.0.1.{n}", "worker", "joined") for n in workers]
    return ClusterRecord(cluster="ca", members=tuple(found))


@dataclasses.dataclass
class Members:
    """A control plane's end that remembers what it was told, and whose secrets are a dict."""

    facts: ClusterRecord
    unit: str = "m/0"
    wishes: list[str] = dataclasses.field(default_factory=list)
    acts: MemberReport = dataclasses.field(default_factory=MemberReport)
    secrets: dict[str, str] = dataclasses.field(default_factory=dict)
    absent: set[str] = dataclasses.field(default_factory=set)

    def record(self):
        return self.facts

    def wishing(self):
        return self.wishes

    def my_acts(self):
        return self.acts

    def publish_acts(self, acts):
        self.acts = acts

    def hand_out(self, unit, content, *, what, until):
        if unit in self.absent:
            return None
        self.secrets[unit] = content["url"]
        return Handout(unit, f"secret:{unit}", until)

    def take_back(self, handout, *, what):
        self.secrets.pop(handout.unit, None)


@pytest.fixture
def members():
    return Members(record(0, 1, 2), wishes=["m/1"])


def keep(pis, members):
    ways_back.keep(pis.host(0), members, pis.address(0))
    return {each.unit: each.until for each in members.acts.ways_back}


def tokens(pis):
    return [line.partition("|")[0] for line in pis.host(0).read(microk8s.TOKENS).splitlines()]


# --- who makes offers ----------------------------------------------------------------------------


@hypothesis.given(planes, strategies.data())
def test_given_any_control_planes_when_chosen_then_two_others_make_offers(numbers, data):
    unit = data.draw(strategies.sampled_from(sorted(numbers)))

    chosen = ways_back.guarantors(record(*numbers, workers=(3,)), f"m/{unit}")

    assert len(set(chosen)) == len(chosen) == min(2, len(numbers) - 1)
    assert f"m/{unit}" not in chosen
    assert all(name.startswith("m/") for name in chosen)


@pytest.mark.parametrize("unit", ["m/7", "w/3"])
def test_given_a_unit_that_is_no_control_plane_when_chosen_then_nobody_makes_offers(unit):
    assert ways_back.guarantors(record(0, 1, workers=(3,)), unit) == ()


def test_given_members_on_their_way_in_or_out_when_chosen_then_they_make_no_offers():
    found = record(0, 1)
    leaving = dataclasses.replace(found.members[1], unit="m/2", state="leaving")
    both = dataclasses.replace(found, members=(*found.members, leaving))

    assert ways_back.guarantors(both, "m/0") == ("m/1",)


# --- making and taking back ----------------------------------------------------------------------


def test_given_a_wish_when_kept_then_a_token_for_a_day_is_lent(single, members):
    (until,) = keep(single, members).values()

    url = members.secrets["m/1"]
    place, token, seal = url.split("/")
    assert place == "10.20.0.11:25000"
    assert tokens(single) == [token]
    assert until - single.world.clock.now() == pytest.approx(86400, abs=60)
    assert join_tokens.is_good(single.host(0), "m/1", until)
    assert len(seal) == 12


def test_given_an_offer_when_kept_again_then_it_is_the_same_one(single, members):
    first = keep(single, members)

    assert keep(single, members) == first
    assert len(tokens(single)) == 1


def test_given_half_a_day_when_kept_then_the_old_token_stays_good_beside_the_new(single, members):
    keep(single, members)
    single.world.clock.advance(12 * HOUR + 60)

    keep(single, members)

    assert len(tokens(single)) == 2
    assert members.secrets["m/1"].split("/")[1] == tokens(single)[1]


def test_given_tokens_that_ended_when_kept_then_their_lines_are_gone(single, members):
    for _ in range(4):
        keep(single, members)
        single.world.clock.advance(13 * HOUR)

    keep(single, members)

    assert len(tokens(single)) == 2


def test_given_a_token_that_is_gone_when_kept_then_another_is_lent(single, members):
    keep(single, members)
    single.host(0).write(microk8s.TOKENS, "")

    keep(single, members)

    assert members.secrets["m/1"].split("/")[1] in tokens(single)


def test_given_another_certificate_when_kept_then_another_token_is_lent(single, members):
    keep(single, members)
    before = members.secrets["m/1"]
    single.host(0).run((microk8s.MICROK8S, "refresh-certs", "-e", "server.crt"), timeout_s=600)
    single.settle()

    keep(single, members)

    assert members.secrets["m/1"].split("/")[2] != before.split("/")[2]


def test_given_a_wish_that_ended_when_kept_then_secret_and_tokens_are_gone(single, members):
    keep(single, members)
    members.wishes = []

    assert keep(single, members) == {}
    assert (tokens(single), members.secrets) == ([], {})
    assert not single.host(0).exists(microk8s.LENT)


def test_given_a_unit_that_went_while_an_offer_was_made_when_kept_then_no_token_is_left(
    single, members
):
    members.absent.add("m/1")

    assert keep(single, members) == {}
    assert tokens(single) == []


def test_given_a_token_of_somebody_else_when_all_are_taken_back_then_it_stays(single, members):
    single.host(0).run((microk8s.MICROK8S, "add-node"), timeout_s=60)
    keep(single, members)
    members.wishes = []

    keep(single, members)

    assert len(tokens(single)) == 1


def test_given_a_third_in_turn_when_kept_then_it_makes_no_offer(single):
    members = Members(record(0, 1, 2, 3), wishes=["m/1"])

    assert ways_back.guarantors(members.facts, "m/1") == ("m/2", "m/3")
    assert keep(single, members) == {}


def test_given_a_minting_that_fails_after_its_work_when_kept_then_no_token_is_left(
    single, members
):
    single.fail(0, "microk8s", "add-node", effect=pi.fail_late(1, "told to fail"))

    with pytest.raises(failures.WorkloadError):
        keep(single, members)

    assert tokens(single) == []


# --- the file of the agent -----------------------------------------------------------------------


@dataclasses.dataclass
class End:
    """A joiner's end with some offers, and secrets that can be read or not."""

    offers: tuple[Handout, ...] = ()
    readable: dict[str, str] = dataclasses.field(default_factory=dict)

    def ways_back(self):
        return self.offers

    def read(self, secret):
        url = self.readable.get(secret)
        return {"url": url} if url else None


TWO = End((Handout("m/0", "s:1", 2e9), Handout("m/0", "s:2", 2e9 + 5)), {"s:1": "a", "s:2": "b"})


def ensure(host, end, *, wanted=True):
    ways_back.ensure_file(host, end, wanted=wanted)
    return rejoin_offer.read(host)


def test_given_two_offers_when_kept_then_both_are_there_and_the_first_end_counts(single):
    assert ensure(single.host(0), TWO) == rejoin_offer.Offer(("a", "b"), 2e9)


def test_given_secrets_that_cannot_be_read_when_kept_then_the_file_stays(single):
    before = ensure(single.host(0), TWO)

    assert ensure(single.host(0), dataclasses.replace(TWO, readable={})) == before


@pytest.mark.parametrize(("end", "wanted"), [(End(), True), (TWO, False)])
def test_given_nothing_offered_or_wanted_when_kept_then_the_file_goes(single, end, wanted):
    host = single.host(0)
    ensure(host, TWO)

    ensure(host, end, wanted=wanted)

    assert not host.exists(rejoin_offer.PATH)


def test_given_an_offer_that_ended_when_kept_then_it_is_left_out(single):
    ended = Handout("m/0", "s:1", single.world.clock.now() - 1)
    end = dataclasses.replace(TWO, offers=(ended, TWO.offers[1]))

    assert ensure(single.host(0), end).urls == ("b",)
