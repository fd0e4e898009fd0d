"""As much of Prometheus' query language as gates, rules and questions of this repository speak.

Selectors, ``sum``, ``min``, ``max`` and ``count`` with ``by``, ``vector``, a few functions of a
range, quotients of series, comparisons with and without ``bool``, ``or`` and ``and on ()``.
Whatever else there is, is refused like an error of syntax, so that nobody takes an answer from
here for one that a real store would give.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Labels = Mapping[str, str]
Vector = list[tuple[Labels, float]]


@dataclass(frozen=True)
class Number:
    """An answer that is a number and no series."""

    value: float


Found = Vector | Number
Series = Callable[[], Iterable[tuple[Labels, float]]]
Samples = Sequence[tuple[float, float]]
Past = Callable[[float], Iterable[tuple[Labels, Samples]]]
"""Seconds → the samples of as long ago till now, each with its time, of each series."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<number>\d+(?:\.\d+)?(?:e\d+)?)(?P<unit>[smhd])?"
    r"|(?P<name>[a-zA-Z_:][\w:]*)|(?P<sign>>=|<=|==|!=|=~|!~|[-+*/<>={}()\[\],:]))"
)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_GROUP: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "count": len,
}


_RANGE: Mapping[str, Callable[[Samples], float]] = {
    "increase": lambda samples: sum(
        later - former if later >= former else later
        for (_, former), (_, later) in itertools.pairwise(samples)
    ),
    "last_over_time": lambda samples: samples[-1][1],
    "max_over_time": lambda samples: max(value for _, value in samples),
    "min_over_time": lambda samples: min(value for _, value in samples),
    "tlast_over_time": lambda samples: samples[-1][0],
}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class QueryError(Exception):
    """A query that this cannot read."""


@dataclass
class Reader:
    """Reads one query from left to right, and answers it on the way."""

    query: str
    series: Series
    past: Past | None = None
    at: int = 0
    tokens: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        place = 0
        while self.query[place:].strip():
            found = _TOKEN.match(self.query, place)
            if found is None:
                raise QueryError(f"cannot read {self.query[place:]!r}")
            self.tokens.append(found.group().strip())
            place = found.end()

    def answer(self) -> Found:
        """Return what the whole query comes to."""
        found = self._either()
        if self.at < len(self.tokens):
            raise QueryError(f"unexpected {self.tokens[self.at]!r}")
        return found

    def _either(self) -> Found:
        left = self._both()
        while self._take("or"):
            first, second = _vector(left), _vector(self._both())
            known = [_without_name(labels) for labels, _ in first]
            left = [*first, *(each for each in second if _without_name(each[0]) not in known)]
        return left

    def _both(self) -> Found:
        left = self._compared()
        while self._take("and"):
            for word in ("on", "(", ")"):
                self._need(word)
            left = _vector(left) if _vector(self._compared()) else []
        return left

    def _compared(self) -> Found:
        left = self._divided()
        while self._next() in _COMPARE:
            holds = _COMPARE[self._word()]
            as_number = self._take("bool")
            right = self._atom()
            if not isinstance(right, Number):
                raise QueryError("compares with numbers only")
            if isinstance(left, Number):
                left = Number(float(holds(left.value, right.value)))
            elif as_number:
                left = [(_without_name(own), float(holds(v, right.value))) for own, v in left]
            else:
                left = [(labels, value) for labels, value in left if holds(value, right.value)]
        return left

    def _divided(self) -> Found:
        left = self._atom()
        while self._take("/"):
            below = {_key(labels): value for labels, value in _vector(self._atom())}
            left = [
                (_without_name(labels), value / below[_key(labels)])
                for labels, value in _vector(left)
                if below.get(_key(labels))
            ]
        return left

    def _atom(self) -> Found:
        word = self._word()
        if word == "(":
            found = self._either()
            self._need(")")
            return found
        if word[0].isdigit():
            return Number(float(word))
        if word in _GROUP:
            return self._grouped(word)
        if word in _RANGE and self._next() == "(":
            return self._over_time(_RANGE[word])
        if word == "vector":
            self._need("(")
            number = float(self._word())
            self._need(")")
            return [({}, number)]
        if not re.fullmatch(r"[a-zA-Z_:][\w:]*", word) or self._next() == "(":
            raise QueryError(f"cannot read {word!r}")
        return self._selected(word)

    def _grouped(self, word: str) -> Vector:
        by = list[str]()
        if self._take("by"):
            self._need("(")
            while not self._take(")"):
                by.append(self._word())
                self._take(",")
        self._need("(")
        inner = _vector(self._either())
        self._need(")")
        groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for labels, value in inner:
            key = tuple((name, labels[name]) for name in sorted(by) if name in labels)
            groups.setdefault(key, []).append(value)
        return [(dict(key), float(_GROUP[word](values))) for key, values in groups.items()]

    def _over_time(self, of: Callable[[Samples], float]) -> Vector:
        if self.past is None:
            raise QueryError("nothing is remembered here")
        self._need("(")
        name, matchers = self._word(), self._matchers()
        self._need("[")
        length = self._word()
        for word in ("]", ")"):
            self._need(word)
        if length[-1] not in _SECONDS:
            raise QueryError(f"cannot read {length!r}")
        found = self.past(float(length[:-1]) * _SECONDS[length[-1]])
        return [
            (_without_name(labels), of(samples))
            for labels, samples in found
            if labels.get("__name__") == name and all(fits(labels) for fits in matchers)
        ]

    def _selected(self, name: str) -> Vector:
        matchers = self._matchers()
        return [
            (labels, value)
            for labels, value in self.series()
            if labels.get("__name__") == name and all(fits(labels) for fits in matchers)
        ]

    def _matchers(self) -> list[Callable[[Labels], bool]]:
        matchers: list[Callable[[Labels], bool]] = []
        if self._take("{"):
            while not self._take("}"):
                matchers.append(_matcher(self._word(), self._word(), self._word()))
                self._take(",")
        return matchers

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _word(self) -> str:
        word = self._next()
        if not word:
            raise QueryError("ends too early")
        self.at += 1
        return word

    def _take(self, word: str) -> bool:
        if self._next() != word:
            return False
        self.at += 1
        return True

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise QueryError(f"expected {word!r}, not {self._next()!r}")


def answer(query: str, series: Series, past: Past | None = None) -> Found:
    """Return what a query comes to. Raises :class:`QueryError` if it cannot be read."""
    return Reader(query, series, past).answer()


def _key(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(_without_name(labels).items()))


def _vector(found: Found) -> Vector:
    if isinstance(found, Number):
        raise QueryError("a number stands where series should")
    return found


def _without_name(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != "__name__"}


def _matcher(name: str, sign: str, text: str) -> Callable[[Labels], bool]:
    if sign not in ("=", "!=", "=~", "!~") or not text.startswith('"'):
        raise QueryError(f"cannot read the matcher {name}{sign}{text}")
    if re.search(r"\\[^\\nt\"]", text):
        raise QueryError(f"unknown escape in {text}")
    wanted = text[1:-1]
    pattern = re.compile(wanted if sign.endswith("~") else re.escape(wanted))
    return lambda labels: bool(pattern.fullmatch(labels.get(name, ""))) == (sign[0] == "=")
