import string

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud.metrics import exposition

HEAT = exposition.Metric("edge_temperature_celsius", "How hot it is.")
TOOK = exposition.Metric(
    "upgrade_step_duration_seconds", "How long.", ("step",), exposition.HISTOGRAM
)
FAULT = exposition.Metric("edge_power_fault", "What is wrong.", ("fault", "since"))


def test_given_samples_when_written_then_each_metric_says_once_what_it_is():
    text = exposition.write(
        [
            HEAT.at(61.5),
            FAULT.at(True, fault="under_voltage", since="now"),
            FAULT.at(0, fault="throttled", since="now"),
        ]
    )

    assert text == (
        "# HELP edge_power_fault What is wrong.\n"
        "# TYPE edge_power_fault gauge\n"
        'edge_power_fault{fault="throttled",since="now"} 0\n'
        'edge_power_fault{fault="under_voltage",since="now"} 1\n'
        "# HELP edge_temperature_celsius How hot it is.\n"
        "# TYPE edge_temperature_celsius gauge\n"
        "edge_temperature_celsius 61.5\n"
    )


def test_given_nothing_known_when_written_then_the_file_is_empty():
    assert exposition.write([]) == ""


@pytest.mark.parametrize("labels", [{}, {"fault": "x"}, {"since": "now", "fault": "x"}])
def test_given_other_labels_than_the_metric_has_when_sampled_then_it_is_refused(labels):
    with pytest.raises(exposition.UnknownLabelError, match="edge_power_fault"):
        FAULT.at(1, **labels)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (1732500000, "1732500000"),
        (0.1, "0.1"),
        (1e30, str(int(1e30))),
    ],
)
def test_given_any_number_when_written_then_prometheus_knows_its_form(value, written):
    assert exposition.write([HEAT.at(value)]).split()[-1] == written


def test_given_text_with_quotes_and_line_ends_when_written_then_it_stays_one_line():
    text = exposition.write([FAULT.at(1, fault='a "b"\n\\c', since="now")])

    assert text.splitlines()[-1] == r'edge_power_fault{fault="a \"b\"\n\\c",since="now"} 1'


@hypothesis.given(
    strategies.lists(strategies.text(alphabet=string.printable), unique=True, max_size=4),
    strategies.randoms(),
)
def test_given_the_same_samples_in_any_order_when_written_then_the_text_is_the_same(names, random):
    samples = [FAULT.at(1, fault=name, since="now") for name in names]
    shuffled = random.sample(samples, len(samples))

    assert exposition.write(samples) == exposition.write(shuffled)


def test_given_a_histogram_when_written_then_buckets_add_up_in_the_order_of_their_bounds():
    samples = [
        *TOOK.spread((2.5, 10, 300), (1, 0, 2, 4), 5000, step="b"),
        *TOOK.spread((2.5, 10, 300), (0, 0, 0, 1), 400, step="a"),
    ]

    assert exposition.write(reversed(samples)).splitlines()[1:] == [
        "# TYPE upgrade_step_duration_seconds histogram",
        'upgrade_step_duration_seconds_bucket{step="a",le="2.5"} 0',
        'upgrade_step_duration_seconds_bucket{step="a",le="10"} 0',
        'upgrade_step_duration_seconds_bucket{step="a",le="300"} 0',
        'upgrade_step_duration_seconds_bucket{step="a",le="+Inf"} 1',
        'upgrade_step_duration_seconds_count{step="a"} 1',
        'upgrade_step_duration_seconds_sum{step="a"} 400',
        'upgrade_step_duration_seconds_bucket{step="b",le="2.5"} 1',
        'upgrade_step_duration_seconds_bucket{step="b",le="10"} 1',
        'upgrade_step_duration_seconds_bucket{step="b",le="300"} 3',
        'upgrade_step_duration_seconds_bucket{step="b",le="+Inf"} 7',
        'upgrade_step_duration_seconds_count{step="b"} 7',
        'upgrade_step_duration_seconds_sum{step="b"} 5000',
    ]
    assert {sample.name for sample in samples} == set(TOOK.series)


def test_given_a_kept_sample_of_a_histogram_when_made_again_then_it_is_the_same():
    for sample in TOOK.spread((1,), (1, 2), 9, step="a"):
        values = [value for _, value in sample.labels]

        assert TOOK.again(sample.value, values, sample.suffix) == sample
