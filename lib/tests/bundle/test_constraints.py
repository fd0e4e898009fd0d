import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelab.bundle import constraints

ARCHITECTURES = st.sampled_from(constraints.ARCHITECTURES)
WORDS = st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "arch": ARCHITECTURES,
        "cores": st.integers(0, 64),
        "mem": st.integers(0, 10**6),
        "tags": st.lists(WORDS, min_size=1, max_size=3, unique=True),
        "zones": st.lists(WORDS, min_size=1, max_size=3),
        "nested-virtualization": st.booleans(),
        "instance-type": WORDS,
    },
)


def written(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(VALUES)
def test_given_any_constraints_when_parsed_then_every_value_comes_back(values):
    text = "  ".join(f"{name}={written(value)}" for name, value in values.items())

    parsed = dataclasses.asdict(constraints.parse(text))

    for name, value in values.items():
        key = {"mem": "mem_mb"}.get(name, name.replace("-", "_"))
        assert parsed[key] == (tuple(value) if isinstance(value, list) else value)


@given(st.text(max_size=40))
def test_given_any_text_when_parsed_then_it_is_read_or_refused(text):
    try:
        assert isinstance(constraints.parse(text), constraints.Constraints)
    except constraints.ConstraintError as e:
        assert str(e)


@pytest.mark.parametrize(
    ("size", "mb"),
    [("512", 512), ("512M", 512), ("4G", 4096), ("1.5G", 1536), ("0.3M", 1), ("1T", 1024**2)],
)
def test_given_a_size_when_parsed_then_it_is_in_megabytes(size, mb):
    assert constraints.parse(f"mem={size} root-disk={size}") == constraints.Constraints(
        mem_mb=mb, root_disk_mb=mb
    )


def test_given_spaces_in_a_value_when_escaped_then_they_belong_to_it():
    assert constraints.parse(r"instance-type=big\ one cores=2").instance_type == "big one"


def test_given_the_old_name_when_parsed_then_it_is_cores():
    assert constraints.parse("cpu-cores=4").cores == 4


def test_given_an_empty_value_when_parsed_then_it_is_no_matter():
    assert constraints.parse("cores= tags=") == constraints.Constraints()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arch=arm46", "constraint arch: 'arm46' is unknown; did you mean 'arm64'?"),
        ("core=4", "unknown constraint 'core'; did you mean 'cores'?"),
        ("cores=-1", "constraint cores: '-1' is not a whole number"),
        ("mem=4X", "constraint mem: '4X' is not a size such as 512M or 4G"),
        ("mem=G", "constraint mem: 'G' is not a size"),
        ("nested-virtualization=maybe", "is neither true nor false"),
        ("container=kvm", "'kvm' is unknown; there is lxd and none"),
        ("cores=2 cpu-cores=2", "constraint cores is given twice"),
        ("arm64", "'arm64' is not of the form name=value"),
        ("=2", "'=2' is not of the form name=value"),
    ],
)
def test_given_a_mistake_when_parsed_then_it_says_what_is_meant(text, words):
    with pytest.raises(constraints.ConstraintError) as e:
        constraints.parse(text)

    assert words in str(e.value)


def test_given_several_mistakes_when_parsed_then_all_are_named():
    with pytest.raises(constraints.ConstraintError) as e:
        constraints.parse("arch=z80 mem=much cores=2")

    assert "arch" in str(e.value)
    assert "mem" in str(e.value)
