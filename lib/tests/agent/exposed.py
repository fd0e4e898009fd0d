"""Read the text that Prometheus reads, as strictly as it does."""

import re

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\"": '"'}


def parse(text):
    """Return the series of a text: (name, labels) → value. Raise ValueError if it is not valid."""
    found, kinds, done, current = {}, {}, set(), ""
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text.split("\n")[:-1]:
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            if word == "TYPE":
                if name in kinds or rest not in ("gauge", "counter", "histogram"):
                    raise ValueError(line)
                kinds[name] = rest
            continue
        name, labels, value = series(line)
        family = name if name in kinds else _SUFFIX.sub("", name)
        if family != current and family in done:
            raise ValueError(f"{family} in two places")
        done.add(family)
        current = family
        if (kinds.get(family) == "histogram") != (name != family):
            raise ValueError(f"{name} does not belong to {family}")
        if family not in kinds or (name, labels) in found:
            raise ValueError(f"untyped or twice: {line}")
        found[name, labels] = value
    return found


def series(line):
    """Return name, labels and value of one line."""
    name = _NAME.match(line)[0]
    rest, labels = line[len(name) :], []
    if rest.startswith("{"):
        inside, _, rest = rest[1:].rpartition("}")
        while inside:
            pair = _LABEL.match(inside)
            if pair is None:
                raise ValueError(line)
            value = re.sub(r"\\.", lambda found: _ESCAPES[found[0]], pair[2])
            labels.append((pair[1], value))
            inside = inside[pair.end() :]
    if not rest.startswith(" ") or rest.count(" ") != 1:
        raise ValueError(line)
    return name, frozenset(labels), float(rest)


class Page:
    """What a text file says."""

    def __init__(self, text):
        self.text, self.series = text, parse(text)

    def value(self, name, **labels):
        """Return the value of one series; None if it is not there."""
        return self.series.get((name, frozenset(labels.items())))

    def labelled(self, name):
        """Return the labels of a metric's series, each with its value."""
        return [(dict(labels), v) for (found, labels), v in self.series.items() if found == name]

    def names(self):
        return {name for name, _ in self.series}
