"""A whole monitor, as its units say: store, rules, Alertmanager, door, and who is told."""

import dataclasses
import json
import pathlib
import time

from monitor_site import Exporter, Process, Receiver, Uplink

import alerting
import authority
import door
import gates
import guest_alerts
import guest_rules
import intake
import questions
import signed
import sizing
import store
from edgecloud import host as hosts
from edgecloud.interfaces import health_gate
from edgecloud.telemetry import exporter, packages, scrape

INTERVAL_S = 5
WRITER = intake.Writer("collector", ("127.0.0.0/8",))
"""An application of another charm that writes here."""
MAY_WRITE = 40
"""Series."""
APP = "edge-microk8s"
NODE = "edge-node"
SAID_BY_THE_DOOR = {"juju_application": NODE, "juju_unit": f"{NODE}/0", "site": "the harbour & co"}


def rules(*found):
    """Return a file of rules."""
    return json.dumps({"groups": [{"name": "test", "rules": list(found)}]})


SOMETHING_BAD = {
    "alert": "SomethingBad",
    "expr": "synth_bad > 0",
    "labels": {"severity": "critical"},
}


def guest(application, *groups):
    """Return an application that brings groups of rules, each a name with its expressions."""
    # Nobody is called for them.
    labels = {"severity": "none"}
    brought = [
        {
            "name": name,
            "rules": [
                {"alert": f"{name}{number}", "expr": text, "labels": labels}
                for number, text in enumerate(texts)
            ],
        }
        for name, *texts in groups
    ]
    return guest_rules.Guest(application, brought, {"juju_application": application})


GUESTS = (
    guest(
        APP,
        ("Seen", "synth_seq >= 0", 'synth_seq{juju_application="nobody"} >= 0'),
        ("Broken", "synth_seq >= 0", "sum(synth_seq"),
    ),
    # What it asks for is another's.
    guest("curious", ("Peeping", "synth_seq >= 0")),
)


class Tree(hosts.LocalHost):
    """Files below a folder, programs of this computer."""

    def run(self, command, **options):
        words = [f"{self.root}{word}" if word.startswith("/etc/") else word for word in command]
        return super().run(words, **options)

    def path(self, path):
        return pathlib.Path(path) if path.startswith("/usr/") else super().path(path)


class Monitor:
    """Everything that a unit of edge-monitor runs, as its units say."""

    def __init__(self, folder, *found, guests=()):
        self.host = host = Tree(folder)
        self.folder = folder
        self.exporter, self.receiver = Exporter(), Receiver()
        self.uplink = Uplink(self.receiver.server.server_port)
        self.processes = {}
        authority.ensure(host, {"127.0.0.1"})
        door.ensure_keys(host)
        store.ensure_keys(host)
        rights = (
            *door.RIGHTS,
            door.ANYBODY,
            door.writer(f"{NODE}/0", SAID_BY_THE_DOOR, store.URL),
        )
        self.passwords = door.ensure_passwords(host, rights)
        host.write(door.CONFIG, door.config(self.passwords, rights))
        host.write(intake.CONFIG, intake.rights([WRITER]))
        host.write(intake.RELABEL, intake.relabelling())
        told = alerting.Receivers(webhook_url=f"http://127.0.0.1:{self.uplink.port}/")
        host.write(alerting.CONFIG, alerting.config(told, interval_s=2))
        host.write(f"{alerting.RULES}/test.rules", rules(*found))
        host.write(f"{alerting.RULES}/heartbeat.rules", alerting.heartbeat({APP: 1}))
        self.brought = guest_alerts.judge(host, [guest_rules.take(each) for each in guests])
        for name, text in self.brought.texts.items():
            host.write(f"{guest_alerts.RULES}/{name}.rules", text)
        labels = {"juju_application": APP, "juju_unit": f"{APP}/0", "gate": "upgrade"}
        host.write(
            "/etc/edge-monitor/scrape.yml",
            scrape.config(
                [
                    scrape.Job("synth", ((self.exporter.address, labels),)),
                    scrape.Job("node", ((f"127.0.0.1:{exporter.PORT}", {}),)),
                ],
                interval_s=INTERVAL_S,
            ),
        )
        host.path(exporter.TEXTFILES).mkdir(parents=True)
        for daemon in self._daemons():
            self.processes[daemon.name] = Process(
                dataclasses.replace(
                    daemon,
                    secrets={name: f"{folder}{path}" for name, path in daemon.secrets.items()},
                    environment_file=daemon.environment_file
                    and f"{folder}{daemon.environment_file}",
                ),
                folder,
                rewrite={
                    alerting.RULES: f"{folder}{alerting.RULES}",
                    guest_alerts.RULES: f"{folder}{guest_alerts.RULES}",
                    exporter.TEXTFILES: f"{folder}{exporter.TEXTFILES}",
                },
            )

    def _daemons(self):
        known = {name: packages.options(self.host, f"/usr/bin/{name}") for name in self.PROGRAMS}
        size, problems = sizing.fit(
            sizing.Machine(4096, 50_000),
            sizing.Wish(write_gb_per_day=50, flush_s=sizing.FLUSH_S),
            waits=store.waits(known["victoria-metrics"]),
        )
        assert not problems
        return (
            exporter.daemon(known["prometheus-node-exporter"]),
            store.daemon(
                size,
                known["victoria-metrics"],
                interval_s=INTERVAL_S,
                retention_days=15,
                series=30_000,
                scrape_file="/etc/edge-monitor/scrape.yml",
            ),
            alerting.manager(known["prometheus-alertmanager"]),
            *(
                alerting.evaluator(
                    known["vmalert"], interval_s=INTERVAL_S, labels={"site": "x"}, of=each
                )
                for each in (alerting.SITE, guest_alerts.EVALUATOR)
            ),
            door.daemon(known["vmauth"], address="127.0.0.1"),
            intake.collector(known["vmagent"], series=MAY_WRITE, backend=store.URL),
            intake.entrance(
                known["vmauth"], address="127.0.0.1", shown=signed.Pair(), writers=[WRITER]
            ),
        )

    PROGRAMS = (
        "prometheus-node-exporter",
        "victoria-metrics",
        "prometheus-alertmanager",
        "vmalert",
        "vmauth",
        "vmagent",
    )

    def start(self):
        for process in self.processes.values():
            process.start()
        return self

    def stop(self):
        for process in self.processes.values():
            process.stop()
        self.uplink.cut()
        self.exporter.stop()
        self.receiver.stop()

    @property
    def access(self):
        return health_gate.Access(
            door.url("127.0.0.1"),
            self.host.read(authority.CA),
            door.GATE,
            self.passwords[door.GATE],
            tuple(questions.offered({APP: 1})),
        )

    def verdict(self, gate, **changes):
        access = dataclasses.replace(self.access, **changes)
        return gates.ask(access, [gate], int(time.time()))[gate.name].verdict
