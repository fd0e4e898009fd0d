"""Bring a machine's part of the monitoring to where it should be."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import alerting
import authority
import door
import guest_alerts
import intake as intakes
import page
import remotes
import shown
import signed
import site_facts
import store
import targets
from edgecloud import host as hosts
from edgecloud.host import files, systemd
from edgecloud.telemetry import daemons, exporter, forwarder, packages, scrape
from monitor_options import AGENT, MonitorOptions
from sizing import EVALUATOR_MB, MB, Machine, Size, fit, forwarder_problems

FILES = "/etc/edge-monitor"
SCRAPE = f"{FILES}/scrape.yml"
HEARTBEAT = f"{alerting.RULES}/heartbeat.rules"
FORWARDER, FORWARDER_PORT = "edge-monitor-forwarder", 18430
EXPORTER, EXPORTER_PORT = "edge-monitor-exporter", 19101
"""Not those of edge-node, which may come to this machine as well."""
KEPT_HERE = (store.NAME, alerting.RULES_NAME, alerting.NAME, door.NAME)
"""What runs where samples are kept."""
ALL = (*KEPT_HERE, guest_alerts.NAME, *intakes.ALL, FORWARDER, EXPORTER)
SHIPPED = pathlib.Path(__file__).parent / "prometheus_alert_rules"
"""The rules that come with this charm."""
DASHBOARDS = pathlib.Path(__file__).parent / "grafana_dashboards"

fingerprint = daemons.fingerprint

_SECRET = 0o600
_SILENT = f"node_boot_time_seconds[{site_facts.SILENT_S // 60}m]"
"""How the shipped rules say it, for any interval up to a minute."""


@dataclass(frozen=True)
class Around:
    """What the machines around this monitor do themselves."""

    deliver: bool = False
    """Some of them deliver their samples here."""
    export: bool = False
    """This very machine is one that does so already."""
    rules: bool = False
    """Applications of other charms bring alert rules."""
    writes: bool = False
    """Some of them write here, and may."""


ALONE = Around()


@dataclass(frozen=True)
class Site:
    """What a monitor is told by Juju in one hook."""

    options: MonitorOptions
    plan: targets.Plan
    address: str
    """Of this machine on the site's network."""
    name: str = "site"
    charm: str = ""
    """Folder of this charm on the machine."""
    receivers: alerting.Receivers = field(default_factory=alerting.Receivers)
    credentials: remotes.Credentials = field(default_factory=remotes.Credentials)
    alertmanagers: tuple[str, ...] = ()
    """Elsewhere, related by Juju."""
    authorities: str = ""
    """To trust there, as PEM."""
    around: Around = ALONE
    applications: tuple[intakes.Writer, ...] = ()
    """Those that write here."""
    brought: guest_alerts.Brought = guest_alerts.NOTHING
    """The alert rules that applications of other charms bring."""
    writers: tuple[door.Right, ...] = ()
    """What the machines may that deliver their samples here."""


def look(host: hosts.Host) -> Machine:
    """Return what this machine has for the store."""
    memory = 0
    for line in files.read(host, "/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            memory = int(line.split()[1]) // 1024
    return Machine(memory_mb=memory, disk_mb=(host.free_bytes(store.DATA) + held(host)) // MB)


def held(host: hosts.Host) -> int:
    """Return the bytes that the store holds already."""
    folders = os.walk(host.path(store.DATA))  # Ignores what is merged away while it looks.
    return sum(_bytes(pathlib.Path(at, name)) for at, _, names in folders for name in names)


def fitting(
    host: hosts.Host, options: MonitorOptions, around: Around = ALONE
) -> tuple[Size, list[str]]:
    """Return the size of the store on this machine, and what does not fit."""
    known = packages.options(host, store.PROGRAM)
    machine, wish = look(host), options.wish()
    more = (EVALUATOR_MB if around.rules else 0) + (intakes.MEMORY_MB if around.writes else 0)
    wish = replace(wish, helpers_mb=wish.helpers_mb + more)
    size, problems = fit(machine, wish, waits=store.waits(known))
    if options.mode == AGENT:
        problems = forwarder_problems(machine, wish)
    return size, problems


def lendable(host: hosts.Host) -> set[str]:
    """Return the files that a scrape job of another charm may name, and that are here."""
    return {path for path in targets.LENDABLE if host.exists(path)}


def scraper(options: MonitorOptions) -> str:
    """Return the daemon that scrapes: the store itself unless samples go elsewhere as well."""
    return FORWARDER if options.stores else store.NAME


def ports(options: MonitorOptions, around: Around = ALONE) -> dict[str, int]:
    """Return where the processes of this machine show their metrics: job → port."""
    found = dict[str, int]() if around.export else {"node": EXPORTER_PORT}
    if options.mode != AGENT:
        found["victoria-metrics"] = store.PORT
        found["vmalert"] = alerting.RULES_PORT
        found["alertmanager"] = alerting.PORT
    if options.stores:
        found["vmagent"] = FORWARDER_PORT
    return found


def aside(options: MonitorOptions, around: Around = ALONE) -> dict[str, int]:
    """Return where processes show their metrics that no gate has to wait for: job → port."""
    if options.mode == AGENT:
        return {}
    rules = {guest_alerts.JOB: guest_alerts.PORT} if around.rules else {}
    return {**rules, **({"vmagent-intake": intakes.PORT} if around.writes else {})}


def door_names(host: hosts.Host, address: str) -> set[str]:
    """Return what those who come here call this machine."""
    return {address, files.read(host, "/etc/hostname").strip()} - {""}


def intake(options: MonitorOptions) -> str:
    """Return where samples that machines deliver go: to all stores, as those that are scraped."""
    return f"http://127.0.0.1:{FORWARDER_PORT}" if options.stores else store.URL


def names(options: MonitorOptions, around: Around) -> list[str]:
    """Return the daemons that should run."""
    kept = KEPT_HERE if options.mode != AGENT else (door.NAME,) if around.deliver else ()
    forwards = (FORWARDER,) if options.stores else ()
    exports = () if around.export else (EXPORTER,)
    guests = (guest_alerts.NAME,) if around.rules and options.mode != AGENT else ()
    writes = intakes.ALL if around.writes and options.mode != AGENT else ()
    return [*kept, *guests, *writes, *forwards, *exports]


def ensure(host: hosts.Host, site: Site, size: Size) -> None:
    """Ensure that everything runs as it should, what others depend on first."""
    wanted = names(site.options, site.around)
    for name in ALL:
        if name not in wanted:
            daemons.remove(host, name)
    if EXPORTER in wanted:
        _ensure_exporter(host)
    if site.plan.certificates:
        shown.ensure_key(host)
    shown.ensure(host, site.plan.certificates)
    if site.options.mode == AGENT:
        page.remove(host)
    else:
        _ensure_store(host, site, size)
    _ensure_forwarder(host, site)
    if site.options.mode != AGENT:
        _ensure_alerting(host, site)
        silent_s = silent_after_s(site.options)
        further = (guest_alerts.PORT,) if site.around.rules else ()
        page.ensure(host, charm=site.charm, site=site.name, silent_s=silent_s, further=further)
    if door.NAME in wanted:
        _ensure_door(host, site)
    if site.around.writes and site.options.mode != AGENT:
        _ensure_intake(host, site)


def remove(host: hosts.Host) -> None:
    """Remove what runs here; what the store has kept stays until an operator removes it."""
    page.remove(host)
    for name in ALL:
        daemons.remove(host, name)
    for path in (*host.glob(f"{FILES}/*/*"), *host.glob(f"{FILES}/*.*")):
        host.remove(path)


def stopped(host: hosts.Host, options: MonitorOptions, around: Around) -> list[str]:
    """Return the daemons that do not run although they should."""
    wanted = names(options, around)
    return [name for name in wanted if not systemd.is_active(host, f"{name}.service")]


def silent_after_s(options: MonitorOptions) -> int:
    """Return after how many seconds without a sample a machine is silent: three scrapes."""
    return max(site_facts.SILENT_S, 3 * options.scrape_interval)


def rules(site: Site) -> dict[str, str]:
    """Return the files with alert rules: those of this charm, and the heartbeat of this site."""
    found = {path.name: path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.rules")}
    patient = f"node_boot_time_seconds[{silent_after_s(site.options)}s]"
    found = {name: text.replace(_SILENT, patient) for name, text in found.items()}
    return {**found, "heartbeat.rules": alerting.heartbeat(site.plan.expected)}


def shipped_rules() -> dict[str, Any]:
    """Return the rules that come with this charm, read, for whoever evaluates them elsewhere."""
    import yaml  # Only who hands them on pays for it.

    # The heartbeat tells that rules are evaluated here; elsewhere it would tell nothing of us.
    files = [path for path in SHIPPED.glob("*.rules") if path.name != "heartbeat.rules"]
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in files}


def shipped_dashboards() -> dict[str, str]:
    """Return the dashboards that come with this charm."""
    return {path.name: path.read_text("utf-8") for path in DASHBOARDS.glob("*.json")}


def _ensure_exporter(host: hosts.Host) -> None:
    host.path(exporter.TEXTFILES).mkdir(parents=True, exist_ok=True)
    known = packages.options(host, exporter.PROGRAM)
    daemons.ensure(host, exporter.daemon(known, name=EXPORTER, port=EXPORTER_PORT))


def _ensure_store(host: hosts.Host, site: Site, size: Size) -> None:
    options = site.options
    scrapes = scraper(options) == store.NAME
    text = _write_scrape(host, site) if scrapes else ""
    lent = site.plan.lent if scrapes else dict[str, str]()
    store.ensure_keys(host)
    daemon = store.daemon(
        size,
        packages.options(host, store.PROGRAM),
        interval_s=options.scrape_interval,
        retention_days=options.retention_days,
        series=options.series,
        scrape_file=SCRAPE if scrapes else "",
        secrets=lent,
    )
    # A token that was renewed is lent anew.
    daemons.ensure(host, daemon, fingerprint(text, *_texts(host, lent)))


def _ensure_forwarder(host: hosts.Host, site: Site) -> None:
    """Ensure what scrapes in the store's place where samples go to other stores as well."""
    trusted = remotes.trust(host, site.authorities)
    named = remotes.addresses(site.options.remote_stores)
    stores = (
        *remotes.ensure(host, named, site.credentials),
        # An operator's password is for the stores that the operator named, and for no other.
        *(forwarder.Remote(url, ca_file=trusted) for url in site.options.related_stores),
    )
    if not stores:
        return
    near = () if site.options.mode == AGENT else (forwarder.Remote(f"{store.URL}/api/v1/write"),)
    text = _write_scrape(host, site)
    wanted = forwarder.Forwarder(
        (*near, *stores),
        SCRAPE,
        queue_mb=site.options.buffer_mb,
        name=FORWARDER,
        port=FORWARDER_PORT,
        extra_secrets=site.plan.lent,
    )
    daemon = forwarder.daemon(wanted, packages.options(host, forwarder.PROGRAM))
    secrets = {**site.plan.lent, "password": remotes.PASSWORD, "ca": remotes.CA}
    secrets["related"] = remotes.RELATED_CA
    daemons.ensure(host, daemon, fingerprint(text, *_texts(host, secrets)))


def _write_scrape(host: hosts.Host, site: Site) -> str:
    options = site.options
    text = scrape.config(site.plan.jobs, interval_s=options.scrape_interval, labels=options.labels)
    host.write(SCRAPE, text, mode=_SECRET)
    return text


def _ensure_alerting(host: hosts.Host, site: Site) -> None:
    text = alerting.config(site.receivers)
    host.write(alerting.CONFIG, text, mode=_SECRET)
    known = packages.options(host, alerting.PROGRAM)
    daemons.ensure(host, alerting.manager(known), fingerprint(text))
    wanted = rules(site)
    _ensure_evaluator(host, site, alerting.SITE, wanted)
    brought = {f"{name}.rules": text for name, text in site.brought.texts.items()}
    if site.around.rules:
        _ensure_evaluator(host, site, guest_alerts.EVALUATOR, brought)
    else:
        _ensure_files(host, guest_alerts.RULES, {})


def _ensure_evaluator(
    host: hosts.Host, site: Site, of: alerting.Evaluator, texts: Mapping[str, str]
) -> None:
    _ensure_files(host, of.rules, texts)
    evaluator = alerting.evaluator(
        packages.options(host, alerting.RULES_PROGRAM),
        interval_s=min(alerting.EVALUATE_S, site.options.scrape_interval),
        labels=site.options.labels,
        elsewhere=site.alertmanagers,
        authority=remotes.trust(host, site.authorities),
        of=of,
    )
    ordered = [texts[name] for name in sorted(texts)]
    daemons.ensure(host, evaluator, fingerprint(*ordered, site.authorities))


def _ensure_files(host: hosts.Host, folder: str, texts: Mapping[str, str]) -> None:
    """Ensure that a folder holds these files and no others."""
    for path in host.glob(f"{folder}/*"):
        if path.rpartition("/")[2] not in texts:
            host.remove(path)
    for name, text in texts.items():
        host.write(f"{folder}/{name}", text)


def _ensure_door(host: hosts.Host, site: Site) -> None:
    authority.ensure(host, door_names(host, site.address))
    door.ensure_keys(host)
    # Where nothing is kept there is nothing to ask for, only something to deliver.
    asking = () if site.options.mode == AGENT else door.RIGHTS
    anybody = (door.ANYBODY,) if site.options.answers_anybody else ()
    rights = (*asking, *anybody, *site.writers)
    text = door.config(door.ensure_passwords(host, rights), rights)
    host.write(door.CONFIG, text, mode=_SECRET)
    shown = signed.in_use(host)
    known = packages.options(host, door.PROGRAM)
    daemon = door.daemon(known, address=site.address, shown=shown)
    daemons.ensure(host, daemon, fingerprint(text, files.read(host, shown.certificate)))
    signed.sweep(host)


def _ensure_intake(host: hosts.Host, site: Site) -> None:
    intakes.ensure(
        host,
        site.applications,
        address=site.address,
        series=site.options.open_writes,
        backend=intake(site.options),
    )


def _bytes(path: pathlib.Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _texts(host: hosts.Host, lent: Mapping[str, str]) -> list[str]:
    return [files.read(host, path) for _, path in sorted(lent.items())]
