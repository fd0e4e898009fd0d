"""What one event costs in the lab, against the same event in bare ``ops.testing``.

Both run the same charm in the same process, turn by turn. Prints medians and their ratio; exits
with 1 if the lab costs more than the ratio that is promised.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable

from ops import testing

from edgelab import model
from edgelab.model import entities, namespace

REPOSITORY = pathlib.Path(__file__).parents[2]
PROMISED = 1.5

METADATA = f"""
    name: bench
    type: charm
    summary: Says that it is active.
    description: For the benchmark.
    peers:
      cluster: {{interface: bench_peers}}
    config:
      options:
        greeting: {{type: string, default: hello, description: What to say.}}
    parts:
      shared:
        plugin: dump
        source: {REPOSITORY}/lib
        organize: {{edgecloud: lib/edgecloud}}
"""
CODE = """
    import ops
    from edgecloud import host

    class BenchCharm(ops.CharmBase):
        def __init__(self, framework):
            super().__init__(framework)
            framework.observe(self.on.update_status, self._on_update_status)

        def _on_update_status(self, _):
            for relation in self.model.relations["cluster"]:
                relation.data[self.unit]["greeting"] = str(self.config["greeting"])
            self.unit.status = ops.ActiveStatus(host.__name__)
"""


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300, help="events to run on each side")
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        charm = _write_charm(folder / "charm")
        with model.Model(folder / "lab") as juju:
            bare, lab = _bare(juju, charm), _lab(juju, charm)
            pairs = [(_seconds(bare), _seconds(lab)) for _ in range(events)]
    bare_ms, lab_ms = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    ratio = lab_ms / bare_ms
    print(f"bare ops.testing event  {bare_ms:6.2f} ms")
    print(f"event in the lab        {lab_ms:6.2f} ms   {ratio:.2f}x (promised: {PROMISED}x)")
    return int(ratio > PROMISED)


def _write_charm(folder: pathlib.Path) -> pathlib.Path:
    (folder / "src").mkdir(parents=True)
    (folder / "charmcraft.yaml").write_text(textwrap.dedent(METADATA), encoding="utf-8")
    (folder / "src" / "charm.py").write_text(textwrap.dedent(CODE), encoding="utf-8")
    return folder


def _bare(juju: model.Model, charm: pathlib.Path) -> Callable[[], object]:
    """Return one event as a unit test would run it."""
    app = juju.add_application("bare", charm)
    modules = namespace.Namespace(app.charm.root)
    with modules.active():
        kind = modules.charm_type()
    ctx = testing.Context(kind, meta=app.charm.metadata, config=app.charm.config)
    state = testing.State(relations=[testing.PeerRelation("cluster")])
    return lambda: ctx.run(ctx.on.update_status(), state)


def _lab(juju: model.Model, charm: pathlib.Path) -> Callable[[], object]:
    """Return the same event for one unit of a deployed application."""
    juju.add_application("bench", charm)
    unit = juju.add_unit("bench")
    juju.settle()

    def event() -> None:
        unit.queue.append(entities.Hook("update-status"))
        juju.step()

    return event


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
