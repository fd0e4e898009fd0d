"""Write the text file of a machine's metrics: ask every source on its own, and never raise.

This runs every minute on a small machine, beside an upgrade that may take an hour. So it starts no
process that a file can stand in for, keeps what is dear to ask, writes to memory only, imports
what it needs when it needs it, and waits for no lock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from edgecloud import host
from edgecloud.agent import settings as machine_settings
from edgecloud.agent.gauges import board, cluster, energy, software, storage, upgrade
from edgecloud.agent.gauges.kept import Kept
from edgecloud.agent.gauges.source import Settings, Source, stamp
from edgecloud.metrics import exposition, node
from edgecloud.metrics.exposition import Sample

TEXTFILE = f"{node.FOLDER}/{node.TEXTFILE}"

_HOUR_S = 3600

SOURCES = (
    Source("model", board.model),
    Source("power", board.power),
    Source("temperature", board.temperature),
    Source("battery", board.battery),
    Source("eeprom", board.eeprom, _HOUR_S),
    Source("flash", storage.flash),
    Source("ext4", storage.ext4),
    Source("snaps", software.snaps, 600, lambda machine, place: (software.SNAPD,)),
    Source("reboot", software.reboot),
    Source("certificates", software.certificates, _HOUR_S, software.certificate_files),
    Source("kubernetes", cluster.kubernetes, 180),
    Source("datastore", cluster.datastore, 300),
    Source("report", upgrade.report, _HOUR_S, upgrade.report_files),
    Source("journal", upgrade.history, _HOUR_S, upgrade.journal_files),
    Source("slots", upgrade.slots, _HOUR_S, upgrade.boot_files),
    Source("vetoed", upgrade.vetoed),
    Source("counted", upgrade.counted),
    Source("energy", energy.energy),
)


def main() -> int:
    """Write the file of this machine once."""
    return 0 if write(host.this()) else 1


def write(machine: host.Host) -> bool:
    """Replace the text file in one step. Return whether it could be written."""
    try:
        kept = Kept(machine)
        text = exposition.write(gather(machine, _settings(machine, kept), kept, SOURCES))
        if not machine.write(TEXTFILE, text, mode=0o644):
            # Its age tells whether anybody still writes it, also where nothing changed.
            os.utime(machine.path(TEXTFILE), (machine.now(), machine.now()))
        kept.write()
    except Exception as e:  # A timer must go on firing whatever is wrong with the machine.
        _complain(f"cannot be written: {e}")
        return False
    return True


def gather(
    machine: host.Host, place: Settings, kept: Kept, sources: Iterable[Source]
) -> list[Sample]:
    """Return what can be told. A series that comes twice would cost the whole file."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for source in sources:
        for sample in _ask(machine, place, kept, source):
            found.setdefault((sample.name, sample.labels), sample)
    return list(found.values())


def _ask(machine: host.Host, place: Settings, kept: Kept, source: Source) -> list[Sample]:
    mark = ""
    try:
        mark = stamp(machine, source.files(machine, place)) if source.files else ""
        known = kept.get(source.name, mark, source.every_s)
        if known is not None:
            return known
        answer = list(source.read(machine, place))
    except Exception as e:  # Whatever is wrong with it, it costs its own metrics and no others.
        if kept.fail(source.name, mark, str(e)):
            _complain(f"{source.name} cannot tell: {e}")
        return []
    if source.every_s:
        kept.put(source.name, mark, answer)
    else:
        kept.recover(source.name)
    return answer


def _settings(machine: host.Host, kept: Kept) -> Settings:
    """Return the machine's place in the site; what needs none is told also if that is damaged."""
    try:
        place = machine_settings.read(machine)
    except Exception as e:
        if kept.fail("settings", "", str(e)):
            _complain(f"the settings cannot be read: {e}")
        return Settings()
    kept.recover("settings")
    return place


def _complain(text: str) -> None:
    sys.stderr.write(f"edge-agent: metrics: {text}\n")
