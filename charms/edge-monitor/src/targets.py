"""Decide what this monitor scrapes, and which of this machine's files it uses for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import shown
from edgecloud.telemetry import scrape

CREDENTIALS = "/run/credentials"
"""Below it, systemd puts what it lends to a unit."""

LENDABLE = (
    "/var/lib/edge-microk8s/metrics-token",
    "/var/snap/microk8s/current/certs/ca.crt",
    "/var/snap/microk8s/current/certs/ca.remote.crt",
    # One member's is good for all of a cluster, and shows metrics only.
    "/var/lib/edge-lxd/metrics-client.crt",
    "/var/lib/edge-lxd/metrics-client.key",
    "/var/lib/edge-lxd/metrics-server.crt",
)
"""Files that a job of another charm may name. Any other would be ours to keep."""

PER_TARGET = 15_000
"""Series of one page; one process that goes wild does not take the budget of the site."""


@dataclass(frozen=True)
class Unit:
    """What one unit offers for scraping."""

    name: str
    application: str
    address: str
    jobs: Any = ()


@dataclass(frozen=True)
class Sender:
    """A machine that delivers its samples itself, or shows them to be scraped."""

    unit: str
    application: str
    hostname: str = ""
    sends: bool = False
    """Whether it does so yet."""
    page: shown.Page | None = None
    """Where it shows them instead."""

    @property
    def delivers(self) -> bool:
        """Whether it comes to the door, now or soon."""
        return self.page is None


@dataclass(frozen=True)
class Topology:
    """Where a series is from, as Juju says it."""

    model: str = ""
    model_uuid: str = ""

    def labels(self, application: str, unit: str) -> dict[str, str]:
        """Return the labels of a unit's series."""
        return {
            "juju_model": self.model,
            "juju_model_uuid": self.model_uuid,
            "juju_application": application,
            "juju_unit": unit,
        }

    def of_all(self, application: str) -> dict[str, str]:
        """Return the labels that the series of all units of an application have."""
        labels = self.labels(application, "")
        return {name: text for name, text in labels.items() if text}


@dataclass(frozen=True)
class Plan:
    """What is scraped, with what, and who is missing."""

    jobs: tuple[scrape.Job, ...]
    lent: Mapping[str, str]
    """Name of a credential → file of this machine."""
    expected: Mapping[str, int]
    """Application → units of which samples are expected."""
    silent: tuple[str, ...] = ()
    """Units of which there is nothing."""
    certificates: Mapping[str, str] = field(default_factory=dict[str, str])
    """File of this machine → what a machine shows on its page."""


def plan(
    units: Iterable[Unit],
    *,
    own: Unit,
    node: str,
    topology: Topology,
    present: Collection[str],
    daemon: str,
    series: int,
    ports: Mapping[str, int],
    aside: Mapping[str, int] | None = None,
    senders: Iterable[Sender] = (),
    guests: Iterable[Unit] = (),
) -> Plan:
    """Return what is scraped.

    Args:
        units: of other applications.
        own: this unit.
        node: name of this machine.
        topology: of the model.
        present: files of this machine that are there, of those that may be lent.
        daemon: the unit of systemd that scrapes.
        series: of the whole site.
        ports: of the processes on this machine: job → port.
        aside: likewise, of those that keep no gate shut: nothing says that they are this unit's.
        senders: machines that deliver their samples themselves, or show a page of them. One is
            expected from when it says so: a machine without the packages for it is named, and
            keeps no gate shut.
        guests: units of charms that are not of this collection, which are lent nothing. One with
            no target that can be scraped is named, and keeps no gate shut either.
    """
    labels = {**topology.labels(own.application, own.name), "node": node}
    jobs = [scrape.Job(name, ((f"127.0.0.1:{port}", labels),)) for name, port in ports.items()]
    apart = {**topology.of_all(""), "node": node}
    jobs += [
        scrape.Job(name, ((f"127.0.0.1:{port}", apart),)) for name, port in (aside or {}).items()
    ]
    expected, silent, lent = {own.application: 1}, list[str](), dict[str, str]()
    ours = ((unit, True, present) for unit in units)
    theirs = ((unit, False, ()) for unit in guests)
    for unit, must, lendable in (*ours, *theirs):
        offered = scrape.read(
            unit.jobs,
            address=unit.address,
            labels=topology.labels(unit.application, unit.name),
        )
        usable = [_lend(job, lendable, lent, daemon) for job in offered]
        found = [job for job in usable if job is not None]
        if must or found:
            expected[unit.application] = expected.get(unit.application, 0) + 1
        if not found:
            silent.append(unit.name)
        jobs += found
    for sender in senders:
        if sender.sends or sender.page is not None:
            expected[sender.application] = expected.get(sender.application, 0) + 1
        else:
            silent.append(sender.unit)
    certificates = dict[str, str]()
    for sender in senders:
        if sender.page is not None:
            found = shown.job(
                sender.unit, sender.page, topology.labels(sender.application, sender.unit)
            )
            certificates[found.ca_file] = sender.page.certificate
            jobs.append(_borrowed(found, lent, daemon))
    limit = min(series, PER_TARGET)
    thinned = [replace(job, series_limit=limit) for job in scrape.once_per_process(jobs)]
    return Plan(tuple(thinned), lent, expected, tuple(silent), certificates)


def sends_from(senders: Iterable[Sender], hostname: str) -> bool:
    """Return whether a machine delivers or shows already what its exporter tells."""
    return any(
        (each.sends or each.page is not None) and each.hostname == hostname for each in senders
    )


def _lend(
    job: scrape.Job, present: Collection[str], lent: dict[str, str], daemon: str
) -> scrape.Job | None:
    """Return a job that reads its files where they are lent; None if it cannot have them."""
    if not all(path in LENDABLE and path in present for path in scrape.files(job)):
        return None
    return _borrowed(job, lent, daemon)


def _borrowed(job: scrape.Job, lent: dict[str, str], daemon: str) -> scrape.Job:
    """Return a job that reads its files where they are lent."""
    places = dict[str, str]()
    for path in scrape.files(job):
        name = path.strip("/").replace("/", "-")
        lent[name] = path
        places[path] = f"{CREDENTIALS}/{daemon}.service/{name}"
    return scrape.moved(job, places)
