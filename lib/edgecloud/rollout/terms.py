"""The parts of an upgrade plan: each field with its default, which is the safe one, and bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecloud.rollout import schema

HOUR = 3600
DAY = 24 * HOUR
DIGEST = r"[0-9a-f]{64}"
NONE = schema.Pairs()

_meta = schema.meta
_minor = schema.matching(r"\d{1,3}\.\d{1,4}", "a quoted minor such as '1.35'")
_revision = schema.mapping(schema.integer(1, 2**31), schema.choice("amd64", "arm64", "armhf"))
_mib = _meta(
    schema.mapping(schema.integer(0, 2**20), schema.choice("amd64", "arm64", "armhf")), later=True
)
_sha3 = schema.mapping(schema.text, schema.choice("amd64", "arm64", "armhf"))


@dataclass(frozen=True)
class Release:
    """The exact build of a snap, for each architecture."""

    revision: schema.Pairs = field(metadata=_meta(_revision, required=True))
    sha3_384: schema.Pairs = field(default=NONE, metadata=_meta(_sha3))
    mib: schema.Pairs = field(default=NONE, metadata=_mib)
    """How much comes over the uplink for each node; for a rehearsal to add up."""


@dataclass(frozen=True)
class Kubernetes:
    """The minor of MicroK8s to reach, and the build of every minor on the way."""

    to: str = field(metadata=_meta(_minor, required=True))
    releases: schema.Pairs = field(
        default=NONE, metadata=_meta(schema.mapping(schema.nested(Release), _minor))
    )
    unpinned: str = field(default="refuse", metadata=_meta(schema.choice("refuse", "allow")))


@dataclass(frozen=True)
class Os:
    """The operating system to run, pinned by digest or by snapshot stamp."""

    kind: str = field(
        metadata=_meta(schema.choice("ab-image", "kernel-only", "apt-snapshot"), required=True)
    )
    version: str = field(metadata=_meta(schema.identifier, required=True))
    ref: str | None = field(
        default=None,
        metadata=_meta(schema.matching(rf"\S+@sha256:{DIGEST}", "a reference with @sha256:")),
    )
    snapshot_stamp: str | None = field(
        default=None, metadata=_meta(schema.matching(r"\d{8}T\d{6}Z", "a stamp 20300131T000000Z"))
    )
    irreversible: bool = field(default=False, metadata=_meta(schema.flag))
    mib: schema.Pairs = field(default=NONE, metadata=_mib)
    accept_old_eeprom: bool = field(default=False, metadata=_meta(schema.flag))


@dataclass(frozen=True)
class Firmware:
    """The boot loader to write; it has no second slot, so only a canary ever gets it."""

    eeprom: str = field(
        metadata=_meta(schema.matching(r"\d{4}-\d\d-\d\d", "a date '2030-01-31'"), required=True)
    )
    accept_old: bool = field(default=False, metadata=_meta(schema.flag))


@dataclass(frozen=True)
class Snap:
    """A snap to bring to an exact build."""

    name: str = field(metadata=_meta(schema.identifier, required=True))
    revision: schema.Pairs = field(metadata=_meta(_revision, required=True))
    mib: schema.Pairs = field(default=NONE, metadata=_mib)


@dataclass(frozen=True)
class Targets:
    """What the plan changes."""

    kubernetes: Kubernetes | None = field(default=None, metadata=_meta(schema.nested(Kubernetes)))
    lxd: Release | None = field(default=None, metadata=_meta(schema.nested(Release)))
    os: Os | None = field(default=None, metadata=_meta(schema.nested(Os)))
    firmware: Firmware | None = field(default=None, metadata=_meta(schema.nested(Firmware)))
    snaps: tuple[Snap, ...] = field(
        default=(), metadata=_meta(schema.items(schema.nested(Snap), most=32))
    )
    images: tuple[str, ...] = field(
        default=(),
        metadata=_meta(
            schema.items(schema.matching(rf"\S+@sha256:{DIGEST}", "an image with @sha256:"))
        ),
    )


@dataclass(frozen=True)
class Select:
    """Which nodes the plan is for; all of them unless it says less."""

    nodes: schema.Pairs = field(default=NONE, metadata=_meta(schema.mapping(schema.text)))
    exclude: tuple[str, ...] = field(
        default=(), metadata=_meta(schema.items(schema.identifier, most=1000))
    )


@dataclass(frozen=True)
class Wave:
    """A part of the nodes, and what lets the next part begin."""

    name: str = field(default="wave", metadata=_meta(schema.identifier))
    size: str = field(default="100%", metadata=_meta(schema.share))
    soak_s: int = field(default=HOUR, metadata=_meta(schema.duration(0, 30 * DAY)))
    require: str = field(default="auto", metadata=_meta(schema.choice("auto", "approval")))
    min_success: int = field(default=100, metadata=_meta(schema.integer(1, 100)))
    where: schema.Pairs = field(default=NONE, metadata=_meta(schema.mapping(schema.text)))


@dataclass(frozen=True)
class Canary(Wave):
    """The first wave: small, and watched for longer."""

    name: str = field(default="canary", metadata=_meta(schema.identifier))
    size: str = field(default="1", metadata=_meta(schema.share))
    soak_s: int = field(default=DAY, metadata=_meta(schema.duration(0, 30 * DAY)))


@dataclass(frozen=True)
class Limits:
    """How much may be missing at once, and how much may be fetched."""

    max_unavailable: str = field(default="1", metadata=_meta(schema.share))
    per_domain: int = field(default=1, metadata=_meta(schema.integer(1, 1000)))
    unhealthy_percent: int = field(default=40, metadata=_meta(schema.integer(1, 100)))
    grant_s: int = field(default=900, metadata=_meta(schema.duration(60, HOUR), name="grant"))
    staging: int = field(default=0, metadata=_meta(schema.integer(0, 1000), later=True))
    daily_mib: int = field(default=0, metadata=_meta(schema.integer(0, 2**20), later=True))


@dataclass(frozen=True)
class Floors:
    """What a node must have before its image is written and before it is disturbed."""

    free_mib: int = field(default=2048, metadata=_meta(schema.integer(0, 2**20)))
    battery_min: int = field(default=0, metadata=_meta(schema.integer(0, 100)))
    temp_max: int = field(default=80, metadata=_meta(schema.integer(1, 110)))
    no_undervoltage: bool = field(default=True, metadata=_meta(schema.flag))
    mains: bool = field(default=False, metadata=_meta(schema.flag, later=True))
    metered: str = field(default="forbid", metadata=_meta(schema.choice("forbid", "allow")))
    download_kib_s: int = field(
        default=0, metadata=_meta(schema.integer(0, 2**20), name="download-rate-kib")
    )


@dataclass(frozen=True)
class Drain:
    """How pods are moved away, and what follows when one does not yield."""

    timeout_s: int = field(default=600, metadata=_meta(schema.duration(10, 4 * HOUR)))
    grace_s: int = field(default=30, metadata=_meta(schema.duration(0, HOUR)))
    on_block: str = field(
        default="wait", metadata=_meta(schema.choice("wait", "skip-node", "abort", "evict-force"))
    )
    empty_dir: str = field(default="delete", metadata=_meta(schema.choice("keep", "delete")))
    local_pv: str = field(default="block", metadata=_meta(schema.choice("block", "allow")))
    single_node: str = field(
        default="refuse", metadata=_meta(schema.choice("refuse", "accept-downtime"))
    )


@dataclass(frozen=True)
class Gate:
    """A question about the site's health, and when its answer matters."""

    name: str = field(metadata=_meta(schema.identifier, required=True))
    type: str = field(metadata=_meta(schema.choice("alerts", "promql"), required=True))
    query: str = field(default="", metadata=_meta(schema.text))
    when: tuple[str, ...] = field(
        default=("before",),
        metadata=_meta(schema.items(schema.choice("before", "after-wave", "continuous"), least=1)),
    )
    for_s: int = field(default=0, metadata=_meta(schema.duration(0, DAY), name="for"))
    on_unknown: str = field(default="block", metadata=_meta(schema.choice("block", "allow")))


@dataclass(frozen=True)
class Abort:
    """How many failures end the plan, and what happens to the nodes then."""

    node_failures: int = field(default=1, metadata=_meta(schema.integer(1, 10_000)))
    failure_percent: int = field(default=100, metadata=_meta(schema.integer(1, 100)))
    min_executed: int = field(default=10, metadata=_meta(schema.integer(1, 10_000)))
    consecutive: int = field(default=0, metadata=_meta(schema.integer(0, 10_000), later=True))
    on_abort: str = field(
        default="hold",
        metadata=_meta(schema.choice("hold", "rollback-failed", "rollback-wave", "rollback-all")),
    )


@dataclass(frozen=True)
class Rollback:
    """How a node goes back, and by when."""

    kind: str = field(
        default="auto",
        metadata=_meta(schema.choice("auto", "revert", "rejoin", "restore", "none")),
    )
    deadline_s: int = field(default=1800, metadata=_meta(schema.duration(60, DAY)))


@dataclass(frozen=True)
class Deadlines:
    """How long each effect may take before it counts as failed."""

    stage_s: int = field(default=6 * HOUR, metadata=_meta(schema.duration(60, 7 * DAY)))
    backup_s: int = field(default=600, metadata=_meta(schema.duration(10, 6 * HOUR)))
    apply_s: int = field(default=1200, metadata=_meta(schema.duration(10, 6 * HOUR)))
    boot_s: int = field(default=600, metadata=_meta(schema.duration(10, HOUR)))
    validate_s: int = field(default=600, metadata=_meta(schema.duration(10, HOUR)))
    commit_s: int = field(default=60, metadata=_meta(schema.duration(10, HOUR)))
    uncordon_s: int = field(default=120, metadata=_meta(schema.duration(10, HOUR)))
    node_s: int = field(default=1800, metadata=_meta(schema.duration(60, DAY)))
    """What a whole node is expected to take (its 95th percentile) where none was measured."""


@dataclass(frozen=True)
class Offline:
    """How a node that cannot be heard is counted."""

    grace_s: int = field(default=900, metadata=_meta(schema.duration(60, 30 * DAY)))
    counts_unavailable: bool = field(default=True, metadata=_meta(schema.flag))
    late_join: str = field(
        default="next-window", metadata=_meta(schema.choice("next-window", "operator"))
    )


@dataclass(frozen=True)
class Rehearsal:
    """Whether the plan must have been rehearsed on the inventory that it starts with."""

    required: bool = field(default=False, metadata=_meta(schema.flag))
    seed: int = field(default=0, metadata=_meta(schema.integer(0, 2**31)))


@dataclass(frozen=True)
class Signature:
    """Who vouches for the plan. Whoever takes the plan in verifies it."""

    method: str = field(metadata=_meta(schema.choice("ssh", "minisign", "cosign"), required=True))
    key_id: str = field(metadata=_meta(schema.text, required=True))
    value: str = field(metadata=_meta(schema.text, required=True))
