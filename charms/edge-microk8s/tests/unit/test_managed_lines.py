import json

import hypothesis
import pytest
from hypothesis import strategies

import managed_lines
from edgecloud import host
from managed_lines import Edit

PATH = "/args/kubelet"
STATE = "/args/state.json"
DEFAULT = """\
--kubeconfig=${SNAP_DATA}/credentials/kubelet.config
# A line of the user's.
--eviction-hard="memory.available<100Mi"
--v 2
"""


@pytest.fixture
def machine(tmp_path):
    found = host.LocalHost(tmp_path)
    found.write(PATH, DEFAULT, mode=0o660)
    return found


def ensure(machine, wanted, **options):
    return managed_lines.ensure(machine, PATH, wanted, state=STATE, **options)


def test_given_a_new_key_when_ensured_then_it_is_appended(machine):
    assert ensure(machine, {"--max-pods": "30"})
    assert machine.read(PATH) == DEFAULT + "--max-pods=30\n"


def test_given_a_known_key_when_ensured_then_its_line_is_replaced_in_place(machine):
    ensure(machine, {"--eviction-hard": "memory.available<64Mi"})

    lines = machine.read(PATH).splitlines()
    assert lines[2] == "--eviction-hard=memory.available<64Mi"
    assert len(lines) == 4


def test_given_a_key_with_a_space_when_ensured_then_it_is_the_same_key(machine):
    ensure(machine, {"--v": "4"})

    assert machine.read(PATH).splitlines()[3] == "--v=4"


def test_given_the_same_wish_when_ensured_again_then_nothing_is_written(machine):
    ensure(machine, {"--max-pods": "30"})

    assert not ensure(machine, {"--max-pods": "30"})


def test_given_a_quoted_value_when_it_is_wanted_then_the_line_stays(machine):
    assert not ensure(machine, {"--eviction-hard": "memory.available<100Mi"})
    assert machine.read(PATH) == DEFAULT


def test_given_a_key_that_is_no_longer_wanted_when_ensured_then_all_is_as_before(machine):
    ensure(machine, {"--eviction-hard": "memory.available<64Mi", "--max-pods": "30"})

    changed = ensure(machine, {})

    assert changed
    assert machine.read(PATH) == DEFAULT
    assert not machine.exists(STATE)


def test_given_another_value_when_ensured_then_the_first_former_line_is_remembered(machine):
    ensure(machine, {"--eviction-hard": "memory.available<64Mi"})
    ensure(machine, {"--eviction-hard": "memory.available<40Mi"})

    ensure(machine, {})

    assert machine.read(PATH) == DEFAULT


def test_given_a_file_that_was_overwritten_when_ensured_then_ours_is_set_again(machine):
    ensure(machine, {"--eviction-hard": "memory.available<64Mi"})
    machine.write(PATH, DEFAULT.replace("100Mi", "999Mi"), mode=0o660)

    changed = ensure(machine, {"--eviction-hard": "memory.available<64Mi"})
    ensure(machine, {})

    assert changed
    assert machine.read(PATH) == DEFAULT


def test_given_a_user_who_changed_our_line_when_it_is_not_wanted_then_theirs_stays(machine):
    ensure(machine, {"--max-pods": "30"})
    machine.write(PATH, DEFAULT + "--max-pods=50\n", mode=0o660)

    ensure(machine, {})

    assert machine.read(PATH) == DEFAULT + "--max-pods=50\n"


def test_given_a_value_set_at_installation_when_not_wanted_then_the_default_comes_back(machine):
    machine.write("/defaults/kubelet", DEFAULT)
    machine.write(PATH, DEFAULT.replace('"memory.available<100Mi"', "64"), mode=0o660)
    ensure(machine, {"--eviction-hard": "64"}, defaults="/defaults")

    ensure(machine, {}, defaults="/defaults")

    assert machine.read(PATH) == DEFAULT


def test_given_several_lines_of_a_key_when_ensured_then_one_is_left(machine):
    machine.write(PATH, "--v=1\n--other\n--v=2\n", mode=0o660)

    ensure(machine, {"--v": "3"})

    assert machine.read(PATH) == "--v=3\n--other\n"


def test_given_no_file_when_ensured_then_it_is_made(machine):
    machine.remove(PATH)

    ensure(machine, {"HTTP_PROXY": "http://proxy:3128"})

    assert machine.read(PATH) == "HTTP_PROXY=http://proxy:3128\n"


def test_given_a_state_when_written_then_only_root_reads_it(machine):
    ensure(machine, {"--max-pods": "30"})

    assert machine.path(STATE).stat().st_mode & 0o777 == 0o600
    assert machine.path(PATH).stat().st_mode & 0o777 == 0o660


def test_given_two_files_when_one_is_undone_then_the_other_is_still_remembered(machine):
    ensure(machine, {"--max-pods": "30"})
    managed_lines.ensure(machine, "/args/other", {"a": "1"}, state=STATE)

    ensure(machine, {})

    assert list(json.loads(machine.read(STATE))) == ["other"]


def test_given_a_disk_that_fills_up_when_ensured_then_the_former_line_is_not_lost(machine):
    class Full(host.LocalHost):
        def write(self, path, text, *, mode=0o644):
            if path == PATH:
                raise OSError(28, "No space left on device")
            return super().write(path, text, mode=mode)

    with pytest.raises(OSError, match="No space"):
        ensure(Full(machine.root), {"--eviction-hard": "64"})
    ensure(machine, {"--eviction-hard": "64"})
    ensure(machine, {})

    assert machine.read(PATH) == DEFAULT


KEYS = strategies.sampled_from(["--a", "--ab", "--b", "--c"])
VALUES = strategies.text("abc,<=/", min_size=1, max_size=4).map(lambda text: text.strip("= "))
LINES = strategies.lists(
    strategies.builds("{}={}".format, KEYS, VALUES) | strategies.sampled_from(["# note", "", "x"]),
    max_size=6,
    unique_by=lambda line: line.partition("=")[0],
)
WISHES = strategies.dictionaries(KEYS, VALUES.filter(bool))


def nothing(key):
    return None


@hypothesis.given(lines=LINES, wanted=WISHES)
def test_given_any_file_when_edited_then_it_has_the_values_and_others_stay(lines, wanted):
    text = "".join(f"{line}\n" for line in lines)

    after, _ = managed_lines.apply(text, wanted, {}, nothing)

    found = after.splitlines()
    assert all(managed_lines.value_of(found, key) == value for key, value in wanted.items())
    others = [line for line in lines if line.partition("=")[0] not in wanted]
    assert [line for line in found if line.partition("=")[0] not in wanted] == others


@hypothesis.given(lines=LINES, wishes=strategies.lists(WISHES, min_size=1, max_size=4))
def test_given_any_wishes_in_turn_when_all_are_dropped_then_the_lines_are_as_before(lines, wishes):
    text = "".join(f"{line}\n" for line in lines)
    # A key that had the wanted value already falls back to the default, which is what it was.
    defaults = {line.partition("=")[0]: line for line in lines}

    after, edits = text, {}
    for wanted in [*wishes, {}]:
        after, edits = managed_lines.apply(after, wanted, edits, defaults.get)

    assert edits == {}
    assert sorted(after.splitlines()) == sorted(lines)


@hypothesis.given(lines=LINES, wanted=WISHES)
def test_given_any_file_when_edited_twice_then_the_second_changes_nothing(lines, wanted):
    once, edits = managed_lines.apply("\n".join(lines), wanted, {}, nothing)

    twice, again = managed_lines.apply(once, wanted, edits, nothing)

    assert (twice, again) == (once, edits)


def test_given_an_edit_when_kept_then_it_says_what_was_there():
    _, edits = managed_lines.apply("--a=1\n", {"--a": "2", "--b": "3"}, {}, nothing)

    assert edits == {"--a": Edit("2", "--a=1"), "--b": Edit("3", None)}
