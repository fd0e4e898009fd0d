"""A folder with small charms, and bundle files beside them."""

import pathlib
import textwrap

import pytest

from edgelab import bundle

PLATFORMS = """
platforms:
  ubuntu-24.04-amd64: {build-on: [ubuntu@24.04:amd64], build-for: [ubuntu@24.04:amd64]}
  ubuntu-24.04-arm64: {build-on: [ubuntu@24.04:amd64], build-for: [ubuntu@24.04:arm64]}
"""

STORE = (
    """
name: store
type: charm
peers:
  crew: {interface: store_peers}
provides:
  data: {interface: sql}
  backup: {interface: archive}
  beside: {interface: beside, scope: container}
requires:
  mirror: {interface: sql, limit: 1}
extra-bindings:
  public:
resources:
  blob: {type: file, filename: blob.bin}
storage:
  disk: {type: filesystem, multiple: {range: 1-2}}
config:
  options:
    name: {type: string, default: none, description: A name.}
    count: {type: int, default: 1, description: How many.}
    ratio: {type: float, description: How much.}
    loud: {type: boolean, default: false, description: Whether.}
    key: {type: secret, description: A secret.}
actions:
  shout:
    description: Say it.
    params:
      word: {type: string}
    required: [word]
    additionalProperties: false
assumes:
  - juju >= 3.6
  - any-of: [juju >= 4, k9s]
"""
    + PLATFORMS
)
SHOP = (
    """
name: shop
type: charm
provides:
  web: {interface: http}
requires:
  data: {interface: sql, limit: 2}
  ledger: {interface: sql}
  vault: {interface: archive}
  machine: {interface: juju-info}
"""
    + PLATFORMS
)
WATCH = (
    """
name: watch
type: charm
subordinate: true
requires:
  principal: {interface: beside, scope: container}
"""
    + PLATFORMS
)
LOST = (
    """
name: lost
type: charm
subordinate: true
requires:
  principal: {interface: beside}
"""
    + PLATFORMS
)


class Site:
    """A folder with charms, in which to write bundles."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        for name, text in {"store": STORE, "shop": SHOP, "watch": WATCH, "lost": LOST}.items():
            self.write(f"charms/{name}/charmcraft.yaml", text)

    def write(self, name: str, text: str | bytes) -> pathlib.Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        content = textwrap.dedent(text).lstrip("\n") if isinstance(text, str) else text
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def read(self, text: str, *overlays: str, **how: bool) -> bundle.Bundle:
        return bundle.read(*self._files(text, overlays), **how)

    def examine(self, text: str, *overlays: str, **how: bool) -> bundle.Bundle:
        return bundle.examine(*self._files(text, overlays), **how)

    def refusals(self, text: str, *overlays: str, **how: bool) -> list[str]:
        """Return every problem as ``file:line: text``, without the folder."""
        try:
            problems = self.examine(text, *overlays, **how).problems
        except bundle.BundleError as e:
            problems = e.problems
        return [f"{p.place.file.name}:{p.place.line}: {p.text}" for p in problems]

    def _files(
        self, text: str, overlays: tuple[str, ...]
    ) -> tuple[pathlib.Path, list[pathlib.Path]]:
        base = self.write("bundle.yaml", text)
        return base, [self.write(f"over-{n}.yaml", each) for n, each in enumerate(overlays)]


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """For property tests, which write the same files again and again."""
    return Site(tmp_path_factory.mktemp("site"))
