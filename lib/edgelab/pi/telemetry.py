"""Programs of the distribution's monitoring packages: they say which options they have.

That, and whether rules can be read, is all a charm asks them; what they do while they run is for
tests on real machines. The options are those of Debian 12 and, as far as they matter here, of
Ubuntu 24.04.
"""

from __future__ import annotations

import json
from typing import Any

from edgelab.pi import files
from edgelab.pi.process import Process

PACKAGES = {
    "victoria-metrics": (
        "/usr/bin/victoria-metrics",
        "/usr/bin/vmagent",
        "/usr/bin/vmalert",
        "/usr/bin/vmauth",
    ),
    "prometheus-alertmanager": ("/usr/bin/prometheus-alertmanager",),
    "prometheus-node-exporter": ("/usr/bin/prometheus-node-exporter",),
}
"""Package → the programs it brings."""

OPTIONS = {
    "/usr/bin/victoria-metrics": (
        "enableTCP6 envflag.enable envflag.prefix httpListenAddr loggerLevel"
        " memory.allowedBytes promscrape.config retentionPeriod search.latencyOffset"
        " search.maxConcurrentRequests search.maxLookback"
        " search.maxQueryDuration search.maxStalenessInterval storage.maxHourlySeries"
        " storage.minFreeDiskSpaceBytes storageDataPath"
    ),
    "/usr/bin/vmagent": (
        "enableTCP6 httpListenAddr loggerLevel maxInsertRequestSize memory.allowedBytes"
        " promscrape.config remoteWrite.basicAuth.passwordFile remoteWrite.basicAuth.username"
        " remoteWrite.bearerTokenFile remoteWrite.maxDiskUsagePerURL"
        " remoteWrite.maxHourlySeries remoteWrite.queues remoteWrite.relabelConfig"
        " remoteWrite.tlsCAFile remoteWrite.tmpDataPath remoteWrite.url"
    ),
    "/usr/bin/vmalert": (
        "datasource.url dryRun enableTCP6 evaluationInterval external.label httpListenAddr"
        " loggerLevel notifier.url remoteRead.url remoteWrite.url rule"
    ),
    "/usr/bin/vmauth": (
        "auth.config enableTCP6 envflag.enable envflag.prefix httpListenAddr loggerLevel tls"
        " tlsCertFile tlsKeyFile"
    ),
    "/usr/bin/prometheus-alertmanager": (
        "cluster.listen-address config.file data.retention log.level storage.path"
        " web.external-url web.listen-address"
    ),
    "/usr/bin/prometheus-node-exporter": (
        "collector.cpu collector.cpufreq collector.disable-defaults collector.diskstats"
        " collector.filesystem collector.filesystem.fs-types-exclude"
        " collector.filesystem.mount-points-exclude collector.hwmon collector.loadavg"
        " collector.meminfo collector.netdev collector.netdev.device-exclude"
        " collector.pressure collector.stat collector.textfile"
        " collector.textfile.directory collector.thermal_zone collector.time collector.timex"
        " collector.uname collector.vmstat collector.watchdog web.config.file"
        " web.disable-exporter-metrics web.listen-address"
    ),
}


def run(process: Process) -> int:
    """Print the options that the program has, which is all it does here."""
    if "-dryRun" in process.argv:
        return _read_rules(process)
    if "--help" not in process.argv[1:]:
        process.fail("flag provided but not defined", 2)
    for name in OPTIONS[process.argv[0]].split():
        process.say(f"  -{name} value")
    return 0


def _read_rules(process: Process) -> int:
    """Fail if an expression in a file of rules has brackets that do not pair."""
    path = process.argv[process.argv.index("-rule") + 1]
    document: Any = json.loads(files.read(process.machine, path))
    for group in document["groups"]:
        for rule in group["rules"]:
            text: str = rule["expr"]
            if any(text.count(a) != text.count(b) for a, b in ("()", "[]", "{}")):
                process.fail(f"invalid expression for rule {rule['alert']!r}", 255)
    return 0


PROGRAMS = dict.fromkeys(OPTIONS, run)
