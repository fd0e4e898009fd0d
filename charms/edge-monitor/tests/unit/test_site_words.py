"""What is well, what is not, and what nobody knows."""

import dataclasses

import demo_site
import pytest
import stories

import site_words
from site_facts import Alert, Node, Site

NOW = demo_site.NOW
SITE = Site("s", NOW)


def cell(column, **facts):
    node = dataclasses.replace(demo_site.PI_1, **facts)
    return site_words.cells(node, SITE)[column]


@pytest.mark.parametrize(
    ("site", "text", "tone"),
    [
        (demo_site.WELL, "All is well", "good"),
        (demo_site.TROUBLED, "pi-4 silent; 2 critical alerts; 1 warning", "bad"),
        (demo_site.UNSURE, "Alerts cannot be read", "unknown"),
        (Site("s", NOW, (), alerts=()), "No node has reported yet", "unknown"),
        (Site("s", NOW, (demo_site.PI_1,), (Alert("A", "warning"),)), "1 warning", "warn"),
        (Site("s", NOW, (demo_site.PI_1,), (Alert("A", "info"),)), "All is well", "good"),
        (
            Site("s", NOW, (demo_site.PI_1,), (), "Half is missing."),
            "Not everything is known",
            "unknown",
        ),
    ],
)
def test_given_a_site_when_judged_then_the_worst_is_said_and_doubt_is_not_health(site, text, tone):
    verdict = site_words.verdict(site)

    assert (verdict.text, verdict.tone) == (text, tone)


@pytest.mark.parametrize(
    ("column", "facts", "text", "tone"),
    [
        ("State", {"ready": False}, "not ready", "bad"),
        ("State", {"schedulable": False}, "cordoned", "warn"),
        ("State", {"ready": None}, "heard", "good"),
        ("Power", {"undervoltage": True}, "sags now", "bad"),
        ("Power", {"throttled": True}, "slowed down", "warn"),
        ("Power", {"undervoltage_before": True}, "steady now", "warn"),
        ("Power", {"undervoltage": None}, "not known", "unknown"),
        ("Heat", {"celsius": 75.0}, "75 °C", "good"),
        ("Heat", {"celsius": 76.0}, "76 °C", "warn"),
        ("Heat", {"celsius": 81.0}, "81 °C", "bad"),
        ("Disk", {"disk_left": 0.09}, "9 % free", "bad"),
        ("Memory", {"memory_left": 0.09}, "9 % free", "warn"),
        ("Wear", {"life_used": 1.1}, "100 % used", "bad"),
        ("Wear", {"written_a_day": 12e9}, "12.0 GB a day", "warn"),
        ("Wear", {"written_a_day": None}, "not known", "unknown"),
        ("Certificates", {"certificate_ends": NOW - 1}, "ended", "bad"),
        ("Certificates", {"certificate_ends": NOW + 8 * 86400}, "8 days", "warn"),
        ("Upgrade", {"state": "rolled-back"}, "rolled-back", "bad"),
        ("Upgrade", {"state": ""}, "not known", "unknown"),
        ("Versions", {"kubernetes": "", "boot_loader": None}, "not known", "unknown"),
    ],
)
def test_given_a_fact_when_shown_then_its_word_and_tone_fit(column, facts, text, tone):
    found = cell(column, **facts)

    assert (found.text, found.tone) == (text, tone)


@pytest.mark.parametrize("column", site_words.COLUMNS)
def test_given_a_node_of_which_nothing_is_known_when_shown_then_nothing_looks_well(column):
    found = site_words.cells(Node("pi-9", heard=NOW), SITE)[column]

    assert found.tone == "unknown" or (found.text, column) == ("heard", "State")


def test_given_a_silent_node_when_shown_then_its_last_words_are_not_repeated():
    cells = site_words.cells(dataclasses.replace(demo_site.PI_1, heard=NOW - 600), SITE)

    assert cells.pop("State") == site_words.Cell("silent", "bad", "last heard 10 min ago")
    assert {cell.text for cell in cells.values()} == {"–"}


def test_given_a_site_that_scrapes_rarely_when_shown_then_its_nodes_are_given_longer():
    node = dataclasses.replace(demo_site.PI_1, heard=NOW - 600)

    patient = dataclasses.replace(SITE, silent_s=900)
    assert site_words.cells(node, patient)["State"].text == "ready"


def test_given_a_node_never_heard_when_shown_then_that_is_said():
    assert site_words.cells(Node("pi-9"), SITE)["State"].detail == "never heard"


def test_given_alerts_when_ordered_then_the_worst_and_oldest_come_first():
    names = [alert.name for alert in site_words.ordered(demo_site.TROUBLED.alerts)]

    assert names == ["NodeSilent", "UnderVoltage", "CardWearsFast", "BootLoaderOutdated"]


@pytest.mark.parametrize(
    ("alert", "threshold"),
    [
        ("ProcessorWarm", "> 75"),
        ("ProcessorHot", "> 80"),
        ("FlashWorn", ">= 0.8"),
        ("FlashAtItsEnd", ">= 1"),
        ("CardWearsFast", "> 10e9"),
        ("MemoryShort", "< 0.1"),
        ("CertificateEnds", "< 7 * 86400"),
        ("CertificateEndsSoon", "< 30 * 86400"),
    ],
)
def test_given_a_threshold_of_the_page_when_compared_then_the_rule_has_the_same(alert, threshold):
    assert threshold in stories.rules()[alert]["expr"]


def test_given_no_plan_when_asked_then_no_upgrade_is_under_way():
    assert site_words.plan(demo_site.WELL) == ""
    assert site_words.plan(demo_site.TROUBLED) == "winter-2026"


def test_given_an_upgrade_when_counted_then_each_node_that_is_heard_is_in_it_once():
    told_by_nodes = dataclasses.replace(demo_site.TROUBLED, rollout=None)

    assert site_words.progress(told_by_nodes) == [
        ("done", "good", 1),
        ("waiting", "plain", 1),
        ("disrupted", "warn", 1),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (59, "59 s"), (121, "2 min"), (7300, "2 h"), (2e5, "2 d")]
)
def test_given_a_length_of_time_when_said_then_it_is_short(seconds, text):
    assert site_words.ago(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(5e3, "5 kB"), (2.5e6, "2.5 MB"), (3e12, "3.0 TB")])
def test_given_a_number_of_bytes_when_said_then_it_is_short(number, text):
    assert site_words.size(number) == text
