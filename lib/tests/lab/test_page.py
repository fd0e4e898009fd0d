import html.parser

import pytest

from edgelab import page

VOID = {"meta", "line", "rect", "br", "link", "img"}


class Reader(html.parser.HTMLParser):
    """Fails at the first tag that is not closed where it should be."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"{tag} closed too early"

    def handle_data(self, data):
        self.words.append(data.strip())


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_given_a_settled_site_when_shown_then_the_page_is_well_formed(settled):
    assert read(page.render(settled, title="Two Pis")).tags >= {"html", "table", "svg", "h1"}


def test_given_a_page_when_looked_at_then_it_needs_nothing_but_itself(settled):
    text = page.render(settled, title="Two Pis")

    reader = read(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "use", "image"}
    assert not [n for n, _ in reader.attributes if n in ("href", "src") or n.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text


def test_given_a_site_when_shown_then_every_unit_and_machine_is_on_the_page(settled):
    words = read(page.render(settled, title="Two Pis")).words

    for unit in settled.units:
        assert [word for word in words if word.startswith(unit)]
    for machine in settled.world.machines.values():
        assert machine.hostname in words


def test_given_a_status_with_markup_when_shown_then_it_is_only_text(settled):
    settled.set_config("greeter-a", {"greeting": "<script>alert(1)</script>"})
    settled.settle()

    reader = read(page.render(settled, title="<b>Pis</b> & co"))

    assert "script" not in reader.tags
    assert "<script>alert(1)</script>" in reader.words


@pytest.mark.parametrize("failing", [False, True])
def test_given_a_site_when_shown_then_the_verdict_says_whether_all_is_well(settled, failing):
    if failing:
        settled.power_off("1")

    text = page.render(settled, title="Two Pis")

    assert ('class="verdict bad"' in text) is failing


def test_given_a_dead_machine_when_shown_then_its_card_is_down_and_the_fault_is_marked(settled):
    settled.power_off("1")
    settled.advance(400)

    text = page.render(settled, title="Two Pis")

    assert 'class="card down"' in text
    assert "machine 1: power cut" in text


def test_given_nothing_deployed_when_shown_then_the_page_is_still_well_formed(deployed):
    read(page.render(deployed, title="Two Pis"))
