"""Decide what is scraped: each process once, nothing that costs more than it tells. Pure.

Jobs come from other charms, in databags, as Prometheus writes them. Only what is known to be
harmless is taken over: a job that names a file, for instance, could otherwise have any file of
this machine sent to an address of its choice.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from edgecloud.telemetry import yaml_text

KUBELITE_PORTS = (10250, 16443, 10257, 10259, 10249)
"""Ports on which one kubelite process serves one and the same page; the first is preferred."""

METRICS = "/metrics"
_HOST = re.compile(r"[\w.-]+|[\da-f:]+|\[[\da-f:.]+(%\w+)?\]", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"(?!__)[a-z_][a-z0-9_]*")
"""Labels that begin with two underscores say where a scraper goes, whatever the target is."""
_PLAIN = re.compile(
    r"([\w:.|]|\((\?:)?(?![*+?])|\)|\[\^?[\w:-]+\]|[*+?]\??(?![*+?])|\\[dwsDWS.])*", re.ASCII
)
"""Expressions that Go reads as Python does. One that it does not read costs all other jobs."""
_LONGEST_EXPRESSION = 500
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})

HEAVY = (
    "apiserver_request_(body_size|duration|sli_duration|slo_duration)_?.*_bucket",
    "apiserver_(response_sizes|watch_events_sizes)_bucket",
    "etcd_request_duration_seconds_bucket",
    "workqueue_.*_bucket",
    "(rest_client|scheduler|storage_operation)_.*_bucket",
    "kubelet_(runtime_operations|pod_worker|pleg)_.*_bucket",
)
"""Histograms of kubelite that are most of its series and that no rule or page here asks."""


@dataclass(frozen=True)
class Job:
    """Targets that are scraped alike."""

    name: str
    targets: tuple[tuple[str, Mapping[str, str]], ...]
    """Each an address with its port, and labels of its own."""
    path: str = METRICS
    scheme: str = "http"
    ca_file: str = ""
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    token_file: str = ""
    drop: tuple[str, ...] = ()
    """Regular expressions of names of metrics that are not kept."""
    series_limit: int = 0
    """Series that one target may have; further ones are dropped and counted. 0 for any number."""
    label: str = ""
    """What its series are called; its name if empty."""
    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])


def config(
    jobs: Iterable[Job], *, interval_s: int, labels: Mapping[str, str] | None = None
) -> str:
    """Return the configuration of a scraper; JSON, which is YAML too.

    All pages are looked at in the same second, here and on every machine of a site whose clock is
    right: what arrives together is written together, and a store writes a third of what samples
    cost it that trickle in.

    Args:
        jobs: what to scrape.
        interval_s: how often.
        labels: put on every series that leaves this machine.
    """
    document = {
        "global": {
            "scrape_interval": f"{interval_s}s",
            "scrape_timeout": f"{max(1, min(10, interval_s))}s",
            "external_labels": dict(labels or {}),
        },
        "scrape_configs": [
            {**_written(job), "scrape_align_interval": f"{interval_s}s"} for job in _unique(jobs)
        ],
    }
    return yaml_text.written(document)


def read(raw: object, *, address: str, labels: Mapping[str, str]) -> list[Job]:
    """Return the jobs that a charm published, as far as they are understood.

    Args:
        raw: a list of Prometheus scrape configurations.
        address: of the unit that published them, for targets on its loopback.
        labels: the unit's topology.
    """
    found = [_read_job(_mapping(entry), address, labels) for entry in _list(raw)]
    return [job for job in found if job.targets]


def once_per_process(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs without the further ports of a kubelite process that is scraped already."""
    jobs = list(jobs)
    served: dict[str, int] = {}
    for job in jobs:
        for target, _ in job.targets:
            host, port = _split(target)
            if job.path == METRICS and port in KUBELITE_PORTS:
                rank = KUBELITE_PORTS.index(port)
                served[host] = min(rank, served.get(host, rank))
    seen, kept = set[tuple[str, str]](), list[Job]()
    for job in jobs:
        targets = tuple(
            (target, labels)
            for target, labels in job.targets
            if _is_first(target, job.path, served, seen)
        )
        if targets:
            kept.append(_slim(replace(job, targets=targets)))
    return kept


def files(job: Job) -> list[str]:
    """Return the files that a job names."""
    return [path for path in (job.ca_file, job.cert_file, job.key_file, job.token_file) if path]


def moved(job: Job, places: Mapping[str, str]) -> Job:
    """Return a job that finds its files at other places."""
    return replace(
        job,
        ca_file=places.get(job.ca_file, ""),
        cert_file=places.get(job.cert_file, ""),
        key_file=places.get(job.key_file, ""),
        token_file=places.get(job.token_file, ""),
    )


def count(jobs: Iterable[Job]) -> int:
    """Return how many targets jobs have."""
    return sum(len(job.targets) for job in jobs)


def _is_first(
    target: str, path: str, served: Mapping[str, int], seen: set[tuple[str, str]]
) -> bool:
    host, port = _split(target)
    if path == METRICS and port in KUBELITE_PORTS and KUBELITE_PORTS.index(port) != served[host]:
        return False
    if (target, path) in seen:
        return False
    seen.add((target, path))
    return True


def _slim(job: Job) -> Job:
    """Return a job of kubelite without the series that are not worth a small site's disk."""
    ports = {_split(target)[1] for target, _ in job.targets}
    if not ports & set(KUBELITE_PORTS):
        return job
    return replace(job, drop=tuple(dict.fromkeys((*job.drop, *HEAVY))))


def _read_job(raw: Mapping[str, Any], address: str, labels: Mapping[str, str]) -> Job:
    tls, authorization = _mapping(raw.get("tls_config")), _mapping(raw.get("authorization"))
    path, scheme = _text(raw.get("metrics_path")) or METRICS, _text(raw.get("scheme")) or "http"
    return Job(
        name=re.sub(r"[^\w./-]", "_", _text(raw.get("job_name")) or "job")[:80],
        targets=tuple(_read_targets(raw.get("static_configs"), address, labels)),
        path=path if path.startswith("/") else METRICS,
        scheme=scheme if scheme in ("http", "https") else "http",
        ca_file=_text(tls.get("ca_file")),
        server_name=_text(tls.get("server_name")),
        cert_file=_text(tls.get("cert_file")),
        key_file=_text(tls.get("key_file")),
        token_file=_text(authorization.get("credentials_file")),
        drop=tuple(_dropped(raw.get("metric_relabel_configs"))),
        params={
            key: tuple(value for value in _list(values) if isinstance(value, str))
            for key, values in _mapping(raw.get("params")).items()
        },
    )


def _read_targets(
    raw: object, address: str, labels: Mapping[str, str]
) -> Iterable[tuple[str, Mapping[str, str]]]:
    for entry in _list(raw):
        static = _mapping(entry)
        own = {
            name: value
            for name, value in _mapping(static.get("labels")).items()
            if isinstance(value, str) and _LABEL.fullmatch(name)
        }
        for target in _list(static.get("targets")):
            host, port = _split(_text(target))
            if port and (host == "*" or _HOST.fullmatch(host)):
                # Nobody has this machine's own pages scraped, nor chooses whose series are.
                near = host == "*" or _is_loopback(host)
                yield f"{_bracketed(address) if near else host}:{port}", {**own, **labels}


def _is_loopback(host: str) -> bool:
    """Return whether who connects to a host, however it is written, reaches itself."""
    name = host.strip("[]").rstrip(".").lower()
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        # What remains of digits is a short form, such as 127.1, which some resolvers take.
        return re.fullmatch(r"[\d.]+|0x[\da-f.x]+", name) is not None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return any(one.is_loopback or one.is_unspecified for one in (found, mapped) if one)


def _dropped(raw: object) -> Iterable[str]:
    for entry in _list(raw):
        rule = _mapping(entry)
        regex = _text(rule.get("regex"))
        by_name = rule.get("action") == "drop" and rule.get("source_labels") == ["__name__"]
        if by_name and regex and _is_plain(regex):
            yield regex


def _is_plain(regex: str) -> bool:
    if len(regex) > _LONGEST_EXPRESSION or not _PLAIN.fullmatch(regex):
        return False
    try:
        re.compile(regex)
    except re.error:
        return False
    return True


def _written(job: Job) -> dict[str, Any]:
    written: dict[str, Any] = {
        "job_name": job.name,
        "metrics_path": job.path,
        "scheme": job.scheme,
        "static_configs": [
            # The job's own name may have to differ from that of another job.
            {"targets": [target], "labels": {"job": job.label or job.name, **labels}}
            for target, labels in job.targets
        ],
    }
    tls = {
        "ca_file": job.ca_file,
        "server_name": job.server_name,
        "cert_file": job.cert_file,
        "key_file": job.key_file,
    }
    if any(tls.values()):
        written["tls_config"] = {name: value for name, value in tls.items() if value}
    if job.token_file:
        written["authorization"] = {"type": "Bearer", "credentials_file": job.token_file}
    if job.drop:
        written["metric_relabel_configs"] = [
            {"source_labels": ["__name__"], "regex": regex, "action": "drop"} for regex in job.drop
        ]
    if job.series_limit:
        written["series_limit"] = job.series_limit
    if job.params:
        written["params"] = {name: list(values) for name, values in job.params.items()}
    return written


def _unique(jobs: Iterable[Job]) -> Iterable[Job]:
    """Yield jobs under names that are each used once, as scrapers demand."""
    used: dict[str, int] = {}
    for job in jobs:
        number = used.get(job.name, 0)
        used[job.name] = number + 1
        yield replace(job, name=f"{job.name}-{number}", label=job.name) if number else job


def _split(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return (host, int(port)) if host and port.isdigit() and int(port) < 65536 else ("", 0)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def _list(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
