import string

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud.metrics import exposition

HEAT = exposition.Metric("edge_temperature_celsius", "How hot it is.")
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
