from edgecloud.host import files, rejoin_offer
from edgecloud.host.rejoin_offer import Offer

URLS = ("10.20.0.12:25000/0123/abc", "10.20.0.13:25000/4567/def")


def test_given_an_offer_when_written_then_it_reads_the_same_and_only_root_may(machine):
    changed = rejoin_offer.write(machine, Offer(URLS, 1_900_000_000.0))

    assert changed
    assert rejoin_offer.read(machine) == Offer(URLS, 1_900_000_000.0)
    assert machine.path(rejoin_offer.PATH).stat().st_mode & 0o777 == 0o600


def test_given_the_same_offer_when_written_again_then_nothing_changes(machine):
    rejoin_offer.write(machine, Offer(URLS, 1.0))

    assert not rejoin_offer.write(machine, Offer(URLS, 1.0))


def test_given_an_offer_when_an_empty_one_is_written_then_no_file_is_left(machine):
    rejoin_offer.write(machine, Offer(URLS, 1.0))

    assert rejoin_offer.write(machine, Offer())
    assert not machine.exists(rejoin_offer.PATH)
    assert rejoin_offer.read(machine) == Offer()


def test_given_a_damaged_file_when_read_then_there_is_no_offer(machine):
    machine.write(rejoin_offer.PATH, '{"urls": ["10.2')

    assert rejoin_offer.read(machine) == Offer()


def test_given_the_agents_memory_of_its_way_when_asked_then_it_is_under_way(machine):
    before = rejoin_offer.is_under_way(machine)
    files.write_state(machine, rejoin_offer.RETREAT, {"done": ["leave"], "own": []})

    assert (before, rejoin_offer.is_under_way(machine)) == (False, True)
