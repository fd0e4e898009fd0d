"""Write a document so that the YAML readers of the monitoring's programs read it: JSON, mostly."""

from __future__ import annotations

import json
import re
from typing import Any

_BEYOND_ASCII = re.compile("[\x7f-\uffff]")


def written(document: Any) -> str:
    """Return a document's text, the same for the same document.

    JSON writes what is beyond 16 bits, such as a pictogram, as two halves. A reader of YAML takes
    no half for a sign, and with it refuses the whole file.
    """
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    return _BEYOND_ASCII.sub(_escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    sign = found[0]
    return "\\ufffd" if "\ud800" <= sign <= "\udfff" else f"\\u{ord(sign):04x}"
