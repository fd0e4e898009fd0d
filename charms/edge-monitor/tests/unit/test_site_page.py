"""The page as text: whole by itself, safe with any name, honest about what is missing."""

import dataclasses
import html.parser
import re

import demo_site
import pytest

import site_page
from site_facts import Alert, Gate, Member, Rollout, Site

SITES = {
    "well": demo_site.WELL,
    "troubled": demo_site.TROUBLED,
    "unsure": demo_site.UNSURE,
    "held up": demo_site.HELD_UP,
    "ended": demo_site.ENDED,
}
EVERY = pytest.mark.parametrize("site", SITES.values(), ids=SITES)


class Reader(html.parser.HTMLParser):
    """Notes the elements of a page, and whether each is closed where it was opened."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@EVERY
def test_given_a_site_when_rendered_then_the_page_needs_no_script_and_no_other_file(site):
    reader = Reader(site_page.render(site))

    assert not {"script", "link", "img", "iframe", "object"} & set(reader.seen)
    names = {name for name, _ in reader.attributes}
    assert not {"src", "href"} & names
    assert not [name for name in names if name.startswith("on")]


@EVERY
def test_given_a_site_when_rendered_then_nothing_in_it_points_outside(site):
    assert not re.search(r"https?:|url\(|@import", site_page.render(site))


def test_given_names_with_markup_when_rendered_then_they_stay_text():
    evil = "<script>alert(1)</script>\"'&"
    node = dataclasses.replace(demo_site.PI_1, name=evil, state=evil, plan=evil, kubernetes=evil)
    alert = Alert(evil, evil, evil, evil, evil)
    gate = Gate(evil, evil, evil, evil, 0, (0.0,), (evil,))
    member = Member(evil, 0, evil, (evil,))
    rollout = Rollout(evil, "active", evil, members=(member,), gates=(gate,))

    page = site_page.render(Site(evil, demo_site.NOW, (node,), (alert,), evil, rollout=rollout))

    assert "<script" not in page
    assert "script" not in Reader(page).seen


def test_given_a_site_without_nodes_when_rendered_then_the_page_says_so():
    page = site_page.render(Site("empty", demo_site.NOW, (), ()))

    assert "No node has reported yet" in page
    assert "<table>" not in page


def test_given_nodes_when_rendered_then_there_is_one_row_for_each():
    page = site_page.render(demo_site.TROUBLED)

    rows = re.findall(r'<th scope="row">([\w-]+)', page)
    assert rows == ["pi-1", "pi-2", "pi-3", "pi-4", "pi-5"]


def test_given_a_site_that_is_well_when_rendered_then_no_empty_section_is_shown():
    page = site_page.render(demo_site.WELL)

    assert "<h2>Alerts</h2>" not in page
    assert "<h2>Upgrade</h2>" not in page


def test_given_unknown_alerts_when_rendered_then_their_number_is_no_zero():
    assert "<b>?</b><span>alerts fire</span>" in site_page.render(demo_site.UNSURE)


def test_given_a_critical_alert_when_rendered_then_what_to_do_is_open_at_once():
    page = site_page.render(demo_site.TROUBLED)

    assert re.findall(r'<details class="alert (\w+)"( open)?>', page) == [
        ("bad", " open"),
        ("bad", " open"),
        ("warn", ""),
        ("plain", ""),
    ]


@pytest.mark.parametrize(
    ("values", "points"), [((), ""), ((50,), ""), ((30, 90), "0.0,28.0 120.0,0.0")]
)
def test_given_temperatures_when_drawn_then_cold_is_low_and_hot_is_high(values, points):
    assert site_page.line(values) == points


def test_given_temperatures_off_the_scale_when_drawn_then_they_stay_in_the_picture():
    assert site_page.line((-10, 140)) == "0.0,28.0 120.0,0.0"


def test_given_parts_when_drawn_then_the_bar_is_full_and_without_overlap():
    pieces = site_page.bar([("a", "good", 1), ("b", "warn", 2)])

    assert pieces == [("a", "good", 1, 0.0, 33.33), ("b", "warn", 2, 33.33, 66.67)]


def test_given_many_nodes_when_rendered_then_the_page_stays_small():
    nodes = tuple(dataclasses.replace(demo_site.PI_1, name=f"pi-{n}") for n in range(30))

    page = site_page.render(Site("large", demo_site.NOW, nodes, ()))

    assert len(page) < 120_000


def test_given_a_gate_that_holds_all_when_rendered_then_it_is_said_once_and_plainly():
    page = site_page.render(demo_site.HELD_UP)

    assert page.count("Held up: gate calm: fail") == 1
    assert "waits: gate calm" not in page


def test_given_a_plan_that_ended_badly_when_rendered_then_it_is_shown_but_not_under_way():
    page = site_page.render(demo_site.ENDED)

    assert "<b>none</b><span>upgrade under way</span>" in page
    assert '<span class="tag bad">held</span>' in page
    assert "rolled-back" in page


def test_given_no_word_of_a_controller_when_rendered_then_what_nodes_say_is_shown():
    page = site_page.render(dataclasses.replace(demo_site.TROUBLED, rollout=None))

    assert "as the nodes say; the controller is not heard" in page
    assert "1 disrupted" in page
