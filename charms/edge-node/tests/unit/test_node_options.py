"""Options: every problem at once, and nothing that is not understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import node_options
from node_options import NodeOptions

WORDS = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


def problems(**options):
    with pytest.raises(node_options.OptionError) as caught:
        NodeOptions(**options)
    return caught.value.problems


@given(st.dictionaries(WORDS.filter(lambda word: word not in ("model", "base")), WORDS))
def test_given_labels_when_read_then_they_come_back_sorted(labels):
    text = ",".join(f"{key}={value}" for key, value in labels.items())

    assert NodeOptions(labels=text).label_pairs == tuple(sorted(labels.items()))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("room", "KEY=VALUE"),
        ("room=a b", "KEY=VALUE"),
        ("room=a,room=b", "room is there twice"),
        ("model=mine", "model is set by the charm"),
    ],
)
def test_given_unfit_labels_when_read_then_it_is_said_why(labels, said):
    assert said in "; ".join(problems(labels=labels))


def test_given_signatures_wanted_and_no_signer_when_read_then_it_is_refused():
    assert "needs allowed-signers" in problems(sign_plans="required")[0]


def test_given_many_mistakes_when_read_then_all_are_said_at_once():
    assert len(problems(sign_plans="maybe", clock="sundial", slot_a="/dev/a", lamp="a/b")) == 4


def test_given_one_partition_for_both_slots_when_read_then_it_is_refused():
    assert problems(slot_a="/dev/x", slot_b="/dev/x") == (
        "slot-a, slot-b: two partitions, not one",
    )


def test_given_two_slots_when_read_then_the_agent_is_told_of_both():
    options = NodeOptions(slot_a="/dev/a", slot_b="/dev/b")

    assert options.slots == {"a": "/dev/a", "b": "/dev/b", "boot": "/boot/firmware"}


def test_given_modules_when_read_then_they_are_named_as_the_kernel_does():
    assert NodeOptions(modules="br-netfilter, vxlan,vxlan").module_names == (
        "br_netfilter", "vxlan",
    )  # fmt: skip


def test_given_no_mirror_when_read_then_the_agent_goes_to_ubuntu():
    assert NodeOptions().apt == {}


def test_given_a_mirror_when_read_then_the_agent_is_told_only_what_was_said():
    options = NodeOptions(apt_mirror="http://10.0.0.5/ubuntu/{stamp}", apt_suites="noble  noble-x")

    assert options.apt == {"url": "http://10.0.0.5/ubuntu/{stamp}", "suites": "noble noble-x"}


def test_given_a_folder_of_packages_when_read_then_it_has_no_components():
    options = NodeOptions(
        apt_mirror="copy:/media/{stamp}", apt_suites="./", apt_keyring="/etc/apt/keyrings/a.gpg"
    )

    assert options.apt == {
        "url": "copy:/media/{stamp}",
        "suites": "./",
        "components": "",
        "options": "signed-by=/etc/apt/keyrings/a.gpg",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"apt_mirror": "10.0.0.5/{stamp}"}, "apt-mirror: must be an address"),
        ({"apt_mirror": "file:/media/{stamp}"}, "apt-mirror: must be an address"),
        ({"apt_mirror": "http:///{stamp}"}, "apt-mirror: must be an address"),
        ({"apt_mirror": "http://[::1/{stamp}"}, "apt-mirror: must be an address"),
        ({"apt_mirror": "http://a/{stamp} evil main"}, "apt-mirror: must be an address"),
        ({"apt_mirror": "http://a/ubuntu"}, "apt-mirror: must have {stamp}"),
        ({"apt_mirror": "https://me:secret@a/{stamp}"}, "holds a password"),
        ({"apt_suites": "noble ]"}, "apt-suites: ']' is no name"),
        ({"apt_suites": "./ noble"}, "with a slash at the end of each, or of none"),
        ({"apt_suites": "./", "apt_components": "main"}, "leave it empty"),
        ({"apt_keyring": "keys.gpg"}, "apt-keyring: must be the absolute path"),
        ({"apt_keyring": "/a trusted=yes"}, "apt-keyring: must be the absolute path"),
    ],
)
def test_given_a_mirror_that_apt_cannot_use_when_read_then_it_is_said_why(options, said):
    found = "; ".join(problems(**options))

    assert said in found
    assert "secret" not in found


def test_given_components_on_two_lines_when_read_then_no_line_of_sources_is_smuggled_in():
    assert NodeOptions(apt_components="main\ndeb").apt == {"components": "main deb"}
