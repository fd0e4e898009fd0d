"""Check that links between the repository's own documents lead somewhere."""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def problems(document: pathlib.Path) -> Iterator[str]:
    """Yield the links of a document to files and headings that do not exist."""
    for link in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        path, _, heading = link.partition("#")
        if ":" in path:
            continue
        target = document.parent / path if path else document
        if not target.exists():
            yield f"{link} leads nowhere"
        elif heading and heading not in headings(target):
            yield f"{link}: no such heading"


def headings(document: pathlib.Path) -> set[str]:
    """Return the anchors of a document's headings, as forges make them."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def main() -> int:
    """Print every link that leads nowhere; return 1 if there is one."""
    folders = ("charms", "bundles", "docs")
    documents = [*ROOT.glob("*.md"), *(f for name in folders for f in (ROOT / name).rglob("*.md"))]
    found = 0
    for document in sorted(documents):
        for problem in problems(document):
            print(f"{document.relative_to(ROOT)}: {problem}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
