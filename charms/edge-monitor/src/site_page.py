"""Make the page of a site: HTML and SVG that need no script and no other file. Pure."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import rollout_words
import site_words
from site_facts import Site

WIDTH, HEIGHT = 120, 28
COLDEST, HOTTEST = 30.0, 90.0
LIMIT = 80.0
"""From here on, in °C, a board slows down."""
REFRESH_S = 60

_TEMPLATES = pathlib.Path(__file__).parent / "templates"


def render(site: Site) -> str:
    """Return the page."""
    import jinja2  # Takes long to import, and hooks that show no page need none.

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("site.html.j2").render(
        site=site,
        verdict=site_words.verdict(site),
        made=site_words.moment(site.at),
        refresh_s=REFRESH_S,
        heard=sum(not site_words.is_silent(node, site) for node in site.nodes),
        rows=[(node, site_words.cells(node, site)) for node in site.nodes],
        alerts=[
            (alert, site_words.tone(alert), _since(site.at, alert.since))
            for alert in site_words.ordered(site.alerts or ())
        ],
        plan=_plan(site),
        words=rollout_words,
        rollout=site.rollout if rollout_words.is_shown(site.rollout, site.at) else None,
        progress=bar(site_words.progress(site)),
        line=line,
        size=(WIDTH, HEIGHT, _y(LIMIT)),
    )


def _plan(site: Site) -> str:
    """Return the plan that is under way; the controller knows better than the nodes."""
    if site.rollout is None:
        return site_words.plan(site)
    return site.rollout.plan if rollout_words.is_under_way(site.rollout) else ""


def line(values: Sequence[float]) -> str:
    """Return the points of a line of temperatures, as SVG has them."""
    if len(values) < 2:
        return ""
    step = WIDTH / (len(values) - 1)
    return " ".join(f"{n * step:.1f},{_y(value):.1f}" for n, value in enumerate(values))


def bar(parts: Sequence[tuple[str, str, int]]) -> list[tuple[str, str, int, float, float]]:
    """Return the pieces of a bar: state, tone, number, begin and width in hundredths."""
    total, begin = sum(number for _, _, number in parts), 0.0
    pieces: list[tuple[str, str, int, float, float]] = []
    for state, tone, number in parts:
        width = 100 * number / total
        pieces.append((state, tone, number, round(begin, 2), round(width, 2)))
        begin += width
    return pieces


def _y(celsius: float) -> float:
    held = min(max(celsius, COLDEST), HOTTEST)
    return round(HEIGHT - (held - COLDEST) / (HOTTEST - COLDEST) * HEIGHT, 1)


def _since(now: float, since: float | None) -> str:
    return "" if since is None else f"for {site_words.ago(now - since)}"
