"""What the benchmark of writes sends, and how it reports what it found."""

import struct

from bench import footprint, writes

FOUND = {("server", 10_000): 12.0, ("one", 10_000): 9.0, ("five", 10_000): 3.0}


def varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return number, at


def fields(data):
    """Read a document of Prometheus' protocol: pairs of a field's number and its content."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            content, at = varint(data, at)
        else:
            size, at = (8, at) if kind == 1 else varint(data, at)
            content, at = data[at : at + size], at + size
        found.append((key >> 3, content))
    return found


def test_given_a_page_when_packed_then_each_series_has_its_labels_value_and_time():
    now = 1_790_000_000

    packed = writes._Page(3).at(now)

    series = [fields(content) for _, content in fields(packed)]
    assert len(series) == footprint.PER_TARGET
    for number in (0, 1, 4, 999):
        *labels, (_, sample) = series[number]
        pairs = [tuple(text.decode() for _, text in fields(content)) for _, content in labels]
        (_, value), (_, at) = fields(sample)
        assert pairs == sorted(pairs)
        assert dict(pairs)["job"] == "synth3"
        assert dict(pairs)["__name__"] == footprint.series_name(number)
        assert struct.unpack("<d", value) == (float(footprint.series_value(number, now)),)
        assert at == now * 1000 + 39


def test_given_a_text_when_packed_as_snappy_then_it_is_one_piece_of_it():
    text = bytes(range(256)) * 3

    packed = writes._snappy(text)

    size, at = varint(packed, 0)
    assert (size, packed[at]) == (len(text), 63 << 2)
    assert struct.unpack("<I", packed[at + 1 : at + 5]) == (len(text) - 1,)
    assert packed[at + 5 :] == text


def test_given_what_was_found_when_shown_then_each_is_compared_with_the_server():
    table = writes.table(FOUND, "one")

    assert (
        "| 10000 | store, one scrape at a time, as the charm runs it | 9.0 | 130 | 0.75 |" in table
    )
    assert "| 10000 | Prometheus server | 12.0 | 173 | 1.00 |" in table
    assert "| 10000 | store, five scrapes at a time | 3.0 | 43 | 0.25 |" in table


def test_given_a_store_that_writes_more_than_it_may_when_judged_then_that_is_said():
    assert writes.too_much(FOUND, "one", 0.75) == []
    (problem,) = writes.too_much(FOUND, "one", 0.7)
    assert problem.startswith("10000 series: ")
