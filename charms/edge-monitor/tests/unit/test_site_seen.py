"""What a person sees of the page in a real browser: at a desk, on a phone, by day, by night."""

import itertools

import browser
import demo_site
import pytest

import site_page

DESK, PHONE = 1366, 500
"""Chromium's window cannot be narrower than 500 without a frame of its own."""
TROUBLED = site_page.render(demo_site.TROUBLED)
WELL = site_page.render(demo_site.WELL)
WIDTHS = pytest.mark.parametrize("width", [DESK, 1024, PHONE], ids=["desk", "tablet", "phone"])

NODES = ("pi-1", "pi-2", "pi-3", "pi-4", "pi-5")
NEEDED = (
    "lighthouse",
    "This site, as of",
    "pi-4 silent; 2 critical alerts; 1 warning",
    "4 of 5",
    "Nothing is heard of pi-4.",
    "The supply of pi-2 sags below 4.63 V.",
    "holds upgrades",
    "sags now",
    "83 °C",
    "7 % free",
    "90 % used",
    "14.0 GB a day",
    "5 days",
    "Kubernetes 1.35.0",
    "cordoned",
    "disrupted",
    "silent",
    "last heard 31 min ago",
    "not known",
    "winter-2026",
    "1 done",
    "2 waiting",
    "active",
    "kubernetes/1.35, wave 1 of 2",
    "The others wait: gate calm: fail",
    "2 of at most 2 unavailable",
    "window open for 2 h yet",
    "last change 7 min ago",
    "Canary",
    "Wave 1",
    "at hand",
    "waits: vetoed on the node",
    "Gate calm",
    "23 pass, 3 fail, 2 no answer",
    "Fires: NodeSilent on pi-4, UnderVoltage on pi-2",
    'severity="critical"',
    "Gate units-up",
    "28 pass",
)


@pytest.fixture(scope="module")
def seen():
    """Return what is seen at a width; each width is looked at once."""
    looks = {}

    def look(width):
        if width not in looks:
            looks[width] = browser.look(TROUBLED, width=width)
        return looks[width]

    return look


@WIDTHS
def test_given_a_troubled_site_when_seen_then_all_that_matters_is_there(seen, width):
    texts = {text["text"] for text in seen(width)["texts"]}

    assert set(NEEDED) <= texts
    assert set(NODES) <= texts


@WIDTHS
def test_given_any_screen_when_seen_then_nothing_is_cut_off_or_needs_scrolling_sideways(
    seen, width
):
    look = seen(width)

    assert look["wide"] <= look["window"]
    assert [t["text"] for t in look["texts"] if t["left"] < 0 or t["right"] > look["window"]] == []


@WIDTHS
def test_given_any_screen_when_seen_then_it_can_be_read(seen, width):
    assert min(text["size"] for text in seen(width)["texts"]) >= 12


@WIDTHS
def test_given_any_screen_when_seen_then_no_text_lies_on_another(seen, width):
    texts = seen(width)["texts"]

    hidden = [
        (one["text"], other["text"])
        for number, one in enumerate(texts)
        for other in texts[number + 1 :]
        if overlap(one, other)
    ]
    assert hidden == []


def overlap(one, other):
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 1 and down > 3


def test_given_a_desk_when_seen_then_each_node_is_one_row(seen):
    texts = seen(DESK)["texts"]
    # Each is named in its wave, too; the table comes last.
    tops = {t["text"]: t["top"] for t in texts if t["text"] in NODES}

    for name, top in tops.items():
        row = [t["text"] for t in texts if abs(t["top"] - top) < 6]
        assert name in row
        assert len(row) == 10, row  # The name, and nine things about it.
    assert len(set(tops.values())) == 5


def test_given_measured_heat_when_seen_then_its_curve_has_a_size(seen):
    lines = seen(DESK)["lines"]

    assert len(lines) == 3
    assert all(line["width"] > 60 for line in lines)
    assert max(line["height"] for line in lines) > 8


@pytest.mark.parametrize(
    ("page", "scheme", "ground", "band"),
    [
        (WELL, browser.LIGHT, (243, 245, 248), (227, 244, 234)),
        (WELL, browser.DARK, (15, 19, 24), (18, 48, 31)),
        (TROUBLED, browser.LIGHT, (243, 245, 248), (251, 228, 226)),
        (TROUBLED, browser.DARK, (15, 19, 24), (64, 23, 21)),
    ],
    ids=["well by day", "well by night", "troubled by day", "troubled by night"],
)
def test_given_a_screenshot_when_looked_at_then_the_verdict_is_plain_to_see(
    page, scheme, ground, band, tmp_path
):
    rows = browser.shoot(page, tmp_path / "page.png", width=800, height=260, scheme=scheme)

    assert rows[2][2] == ground
    colours = [pixel for row in rows for pixel in row]
    assert colours.count(band) > 0.1 * len(colours)
    brightness = [sum(pixel) / 3 for pixel in colours]
    assert max(brightness) - min(brightness) > 180


def test_given_verdicts_of_the_past_when_seen_then_each_has_a_place_in_its_gates_strip(seen):
    strips = seen(PHONE)["strips"]

    assert [len(strip) for strip in strips] == [28, 28]
    failed, passed = strips[0][-1], strips[0][0]
    assert failed["right"] == pytest.approx(strips[1][-1]["right"])
    assert failed["height"] > passed["height"] > 8  # Told apart without its colour.
    pairs = itertools.pairwise(strips[0])
    assert all(one["right"] <= other["left"] + 1 for one, other in pairs)
