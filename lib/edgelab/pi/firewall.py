"""The packet filter of a machine: tables as ``nft`` loads them, and what they let in."""

from __future__ import annotations

import functools
import re
import typing

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_TABLE = re.compile(r"\btable\s+(inet|ip|ip6)\s+(\S+)\s*\{")
_SET = re.compile(r"\bset\s+(\S+)\s*\{(.*?elements\s*=\s*\{[^}]*\})?[^}]*\}", re.DOTALL)
_ELEMENTS = re.compile(r"elements\s*=\s*\{([^}]*)\}")
_PORTS = re.compile(r"tcp dport\s+(?:\{([^}]*)\}|(\d+))")
_SOURCE = re.compile(r"ip saddr\s+(!=\s*)?(?:\{([^}]*)\}|@(\S+)|(\S+))")


def problem(text: str) -> str | None:
    """Return why a ruleset cannot be loaded, or None."""
    if text.count("{") != text.count("}"):
        return "/dev/stdin:1:1-1: Error: syntax error, unexpected end of file"
    return None


def load(machine: machines.Machine, text: str) -> None:
    """Load tables; like nft, add to what is there unless the text deletes or flushes it first."""
    for family, name in re.findall(r"\b(?:delete|destroy) table (inet|ip|ip6) (\S+)", text):
        machine.nft.pop(f"{family} {name.rstrip(';')}", None)
    if re.search(r"\bflush ruleset\b", text):
        machine.nft.clear()
    for match in _TABLE.finditer(text):
        body = _block(text, match.end())
        name = f"{match[1]} {match[2]}"
        if body.strip():
            before = "" if f"flush table {name}" in text else machine.nft.get(name, "")
            machine.nft[name] = f"{before}table {name} {{{body}}}\n"


def admits(machine: machines.Machine, source: str, port: int) -> bool:
    """Return whether the filter lets a TCP connection from this address in."""
    return all(_table_admits(text, source, port) for text in machine.nft.values())


@functools.lru_cache(maxsize=4096)
def _table_admits(text: str, source: str, port: int) -> bool:
    sets = {match[1]: _set_elements(match[0]) for match in _SET.finditer(text)}
    verdicts = _verdicts(text, sets, source, port)
    return not verdicts or verdicts[0] != "drop"


def _verdicts(text: str, sets: dict[str, list[str]], source: str, port: int) -> list[str]:
    """Return the verdicts of the input rules that match, in order."""
    found: list[str] = []
    for chain in re.finditer(r"chain\s+\S+\s*\{", text):
        body = _block(text, chain.end())
        if "hook input" not in body and "hook prerouting" not in body:
            continue
        for line in re.split(r"[;\n]", body):
            rule = line.strip()
            word = re.search(r"\b(accept|drop|reject)\b", rule)
            if (
                word
                and not rule.startswith(("type", "policy"))
                and _matches(rule, sets, source, port)
            ):
                found.append("accept" if word[1] == "accept" else "drop")
    return found


def _matches(rule: str, sets: dict[str, list[str]], source: str, port: int) -> bool:
    if re.search(r"\biif(name)?\b|ct state|ip6 |icmp|udp ", rule):
        return False
    ports = _PORTS.search(rule)
    if ports is None or str(port) not in re.findall(r"\d+", ports[1] or ports[2]):
        return False
    match = _SOURCE.search(rule)
    if match is None:
        return True
    listed = re.split(r"[,\s]+", (match[2] or match[4] or "").strip())
    addresses = sets.get(match[3], []) if match[3] else listed
    return (source in addresses) != bool(match[1])


def _set_elements(text: str) -> list[str]:
    match = _ELEMENTS.search(text)
    return re.split(r"[,\s]+", match[1].strip()) if match else []


def _block(text: str, begin: int) -> str:
    """Return the text up to the brace that closes the one just opened."""
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
    return text[begin:]
