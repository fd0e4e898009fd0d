"""The stories of alert rules: read them, and tell them to Prometheus and to VictoriaMetrics."""

import dataclasses
import functools
import pathlib
import re

import yaml

HERE = pathlib.Path(__file__).parent
RULES = HERE.parents[1] / "src/prometheus_alert_rules"
STEPS = {"1m": 60, "5m": 300, "1h": 3600}

_PIECE = re.compile(r"(@?)(-?[\d.]+(?:e\d+)?|_)(?:([+-][\d.]+(?:e\d+)?))?\*(\d+)")


@dataclasses.dataclass(frozen=True)
class Story:
    """What is measured on one node, and when an alert fires because of it."""

    alert: str
    node: str
    step: str
    series: dict[str, str]
    quiet: tuple[int, ...]
    fires: tuple[int, ...]
    about: str = ""
    forever: bool = False
    """The alert never clears, by design."""
    never: bool = False
    """The story is told because the alert does not fire."""

    @property
    def length(self):
        return max(len(values(text)) for text in self.series.values())

    def written(self, begin=0):
        """Return each series with its values, None where nothing is measured."""
        return {
            name.replace("NODE", self.node): values(text, begin)
            for name, text in self.series.items()
        }


def values(text, begin=0):
    """Return the values that the pieces of a series stand for."""
    found, end = [], 0
    for piece in _PIECE.finditer(text):
        assert not text[end : piece.start()].strip(), f"{text[end : piece.start()]!r} is no piece"
        end = piece.end()
        relative, first, step, count = piece.groups()
        for number in range(int(count)):
            shown = None if first == "_" else float(first) + number * float(step or 0)
            found.append(shown + begin if relative and shown is not None else shown)
    assert not text[end:].strip(), f"{text[end:]!r} is no piece"
    return found


@functools.cache
def stories():
    """Return every story; each has a node of its own, so that none disturbs another."""
    told = []
    for number, raw in enumerate(yaml.safe_load((HERE / "stories.yaml").read_text())):
        raw = {"step": "1m", **raw, "node": f"pi-{number}"}
        raw.update(quiet=tuple(raw.get("quiet", ())), fires=tuple(raw.get("fires", ())))
        told.append(Story(**raw))
    return told


@functools.cache
def rules():
    """Return every alert rule by name, with the file it is in."""
    return {
        rule["alert"]: {**rule, "file": file.name}
        for file in sorted(RULES.iterdir())
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    }


def alerts(story):
    """Return the selector of a story's alert while it fires."""
    place = "" if story.forever else f',{"node" if by_node(story) else "site"}="{story.node}"'
    return f'ALERTS{{alertname="{story.alert}",alertstate="firing"{place}}}'


def by_node(story):
    """Return whether an alert says which node it is about; the others are about a whole site."""
    return not all("site=" in name for name in story.series)
