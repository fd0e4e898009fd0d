"""Where a machine finds Ubuntu's packages of one moment, if not at Ubuntu's own service. Pure."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

STAMP = "{stamp}"

_SCHEMES = ("http", "https", "copy")
_PLAIN = re.compile(r"[^\s\[\]#]+")
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*/?|\./")


@dataclass(frozen=True)
class Mirror:
    """An archive that keeps moments, as an operator describes it; empty for Ubuntu's own."""

    url: str = ""
    suites: str = ""
    components: str = ""
    keyring: str = ""

    @property
    def is_flat(self) -> bool:
        """Whether it is a folder of packages without components, which apt tells by the slash."""
        return any(suite.endswith("/") for suite in self.suites.split())

    def place(self) -> dict[str, str]:
        """Return it as the agent's settings have it; what is not there is the agent's default."""
        found = {"url": self.url, "suites": " ".join(self.suites.split())}
        found["components"] = " ".join(self.components.split())
        found["options"] = f"signed-by={self.keyring}" if self.keyring else ""
        kept = {key: value for key, value in found.items() if value}
        return {**kept, "components": ""} if self.is_flat else kept

    def problems(self) -> list[str]:
        """Return every reason why apt could not use it."""
        found = self._url_problems() if self.url else []
        for name, text in (("suites", self.suites), ("components", self.components)):
            odd = [word for word in text.split() if not _WORDS.fullmatch(word)]
            found += [f"apt-{name}: {word!r} is no name" for word in odd]
        if self.is_flat and not all(suite.endswith("/") for suite in self.suites.split()):
            found.append("apt-suites: with a slash at the end of each, or of none")
        if self.is_flat and self.components:
            found.append("apt-components: a suite that ends in a slash has none; leave it empty")
        if self.keyring and not (self.keyring[0] == "/" and _PLAIN.fullmatch(self.keyring)):
            found.append("apt-keyring: must be the absolute path of a file on the machine")
        return found

    def _url_problems(self) -> list[str]:
        try:
            parts = urllib.parse.urlsplit(self.url)
            place = parts.path if parts.scheme == "copy" else parts.hostname
        except ValueError:
            parts, place = urllib.parse.SplitResult("", "", "", "", ""), ""
        if parts.scheme not in _SCHEMES or not place or not _PLAIN.fullmatch(self.url):
            return ["apt-mirror: must be an address http://…, https://… or a folder copy:/…"]
        found = list[str]()
        if "@" in parts.netloc:
            found.append("apt-mirror: holds a password; use a mirror that asks for none")
        if STAMP not in self.url:
            found.append(f"apt-mirror: must have {STAMP} where a plan's snapshot-stamp belongs")
        return found
