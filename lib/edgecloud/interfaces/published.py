"""What modules of interfaces that others published share: topology, texts of rules, plain values.

Their values are not ours to shape, so what is read is taken as far as it fits and no further, and
what is written is compared first, so that equal content wakes nobody.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, cast

import ops

LARGEST = 8 * 2**20
"""No text is unpacked beyond this: a few bytes can be packed so as to fill a Pi's memory."""

LZMA_START = "/Td6WFoA"
"""How every text begins that is the base64 of something packed with LZMA."""


def put(bag: ops.RelationDataContent, wanted: Mapping[str, str]) -> bool:
    """Write texts to a databag. Return whether anything changed."""
    changes = {key: text for key, text in wanted.items() if bag.get(key, "") != text}
    if changes:
        bag.update(changes)
    return bool(changes)


def written(value: Any) -> str:
    """Return a value as JSON, the same text for the same value."""
    return json.dumps(value, sort_keys=True)


def mapping(text: str | None) -> Mapping[str, Any]:
    """Return the JSON object that a text holds; an empty one if it holds anything else."""
    found = _parsed(text)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def mappings(text: str | None) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a list; whatever else is in it is left out."""
    found = _parsed(text)
    entries = cast("list[Any]", found) if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def texts(text: str | None) -> list[str]:
    """Return the strings of a JSON list; whatever else is in it is left out."""
    found = _parsed(text)
    entries = cast("list[Any]", found) if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, str)]


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def pack(text: str) -> str:
    """Return a text packed with LZMA, as base64."""
    import lzma  # Only who has something to pack pays for it.

    return base64.b64encode(lzma.compress(text.encode())).decode()


def unpack(packed: str) -> str:
    """Return the text that was packed. Raise ValueError if it was not packed like that."""
    import lzma

    opener = lzma.LZMADecompressor()
    try:
        text = opener.decompress(base64.b64decode(packed, validate=True), LARGEST)
    except (lzma.LZMAError, EOFError) as e:
        raise ValueError(f"not packed with LZMA: {e}") from e
    if not opener.eof:
        raise ValueError(f"cut off, or larger than {LARGEST} bytes")
    return text.decode()


def rules(text: str | None) -> Mapping[str, Any]:
    """Return alert rules that are plain JSON, or packed; none if they are neither."""
    shown = (text or "").strip()
    if shown.startswith(LZMA_START):
        try:
            return mapping(unpack(shown))
        except ValueError:
            return {}
    return mapping(text)


def topology(charm: ops.CharmBase) -> dict[str, str]:
    """Return where this unit is, in the words of scrape metadata."""
    return {
        "model": charm.model.name,
        "model_uuid": charm.model.uuid,
        "application": charm.app.name,
        "unit": charm.unit.name,
        "charm_name": charm.meta.name,
    }


def labels(metadata: Mapping[str, Any], unit: str = "") -> dict[str, str]:
    """Return the labels that say where a series is from."""
    names = {"model": "model", "model_uuid": "model_uuid", "application": "application"}
    names["charm"] = "charm_name"
    found = {
        f"juju_{name}": str(metadata[key]) for name, key in names.items() if metadata.get(key)
    }
    return {**found, "juju_unit": unit} if unit else found
