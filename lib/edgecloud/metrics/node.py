"""The metrics of a machine that no exporter of the distribution has: ``edge-node`` writes them.

One text file for all of them, replaced in one step. What cannot be told is left out: a missing
series means "not known", and 0 always means "no". Labels ``site``, ``node``, ``role`` and Juju's
topology are added by whoever collects the file.
"""

from __future__ import annotations

from edgecloud.metrics.exposition import COUNTER, HISTOGRAM, Metric

TEXTFILE = "edge-node.prom"
"""Its name in the folder of the text file collector."""
FOLDER = "/run/edge-agent/metrics"
"""Where it lies, and where node exporter is told to look: in memory, so that a file that is
written every minute wears no card out."""

FAULTS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
"""Bits 0 to 3 of ``vcgencmd get_throttled``, in this order; 16 to 19 are the same since boot."""
SINCE = ("now", "boot")

# --- the board ---------------------------------------------------------------------------------

BOARD = Metric(
    "edge_board_info", "Model of the board, from the device tree; always 1.", ("model",)
)
POWER = Metric(
    "edge_power_fault",
    "Whether the firmware reports this fault now, or has since the board got power.",
    ("fault", "since"),
)
TEMPERATURE = Metric("edge_temperature_celsius", "Temperature of the processor.")
RTC_BATTERY = Metric("edge_rtc_battery_volts", "Voltage of the battery of the clock (Pi 5).")
EEPROM = Metric(
    "edge_eeprom_build_timestamp_seconds", "When the boot loader in the EEPROM was built."
)
EEPROM_UPDATE = Metric(
    "edge_eeprom_update_available", "Whether a newer boot loader lies on this machine."
)

# --- its storage -------------------------------------------------------------------------------

FLASH_LIFE = Metric(
    "edge_flash_life_used_ratio",
    "Used part of the life of eMMC, as its maker reckons, in tenths; 1.1 is beyond its end.",
    ("device", "area"),
)
FLASH_END = Metric(
    "edge_flash_end_of_life",
    "Spare blocks of eMMC: 1 is normal, 2 means 80 per cent are used, 3 is urgent.",
    ("device",),
)
WRITTEN = Metric(
    "edge_ext4_written_bytes_total",
    "Written to this file system in its whole life.",
    ("device",),
    COUNTER,
)
EXT4_ERRORS = Metric(
    "edge_ext4_errors_total",
    "Errors that this file system has counted in its whole life.",
    ("device",),
    COUNTER,
)

# --- its software ------------------------------------------------------------------------------

SNAP = Metric(
    "edge_snap_info", "An installed snap; always 1.", ("snap", "version", "revision", "channel")
)
SNAP_HELD = Metric("edge_snap_held", "Whether snapd leaves this snap as it is.", ("snap",))
REBOOT_REQUIRED = Metric("edge_reboot_required", "Whether a package asks for a reboot.")
CERTIFICATE = Metric(
    "edge_certificate_expiry_timestamp_seconds", "When this certificate ends.", ("certificate",)
)
READY = Metric(
    "edge_kubernetes_ready",
    "Whether Kubernetes calls this node Ready; missing if it is not asked.",
)
SCHEDULABLE = Metric("edge_kubernetes_schedulable", "Whether new pods may come to this node.")
VOTERS = Metric("edge_datastore_voters", "Voters of the datastore, as this control plane sees it.")
VOTERS_ANSWERING = Metric("edge_datastore_voters_answering", "How many of them answer.")

# --- its upgrade -------------------------------------------------------------------------------

PLAN = Metric(
    "upgrade_plan_info",
    "The plan and the step that this node's upgrade is about; always 1.",
    ("plan", "digest", "part"),
)
STATE = Metric(
    "upgrade_node_state",
    "1 for the status that this node reports to the upgrade controller, 0 for every other.",
    ("state",),
)
STATE_SINCE = Metric(
    "upgrade_node_state_since_timestamp_seconds", "Since when it reports that status."
)
CORDONED = Metric("upgrade_cordoned", "Whether the cordon on this node is the upgrade's own.")
STEP_TOOK = Metric(
    "upgrade_step_duration_seconds",
    "How long this node ever was in states of an upgrade that may take long.",
    ("step",),
    HISTOGRAM,
)
FAILED = Metric(
    "upgrade_failures_total",
    "How often a step of an upgrade ever failed on this node, and why.",
    ("step", "reason"),
    COUNTER,
)
ROLLED_BACK = Metric(
    "upgrade_rollbacks_total",
    "How often this node ever went back, by which way, and where that led.",
    ("kind", "result"),
    COUNTER,
)
RECORDS = Metric(
    "upgrade_audit_records_total", "Records that the chain of this node ever got.", (), COUNTER
)
SLOT = Metric(
    "upgrade_boot_slot", "Which system runs (running) and boots next (default).", ("slot", "what")
)
BURNT = Metric("upgrade_quarantined_artefacts", "Artefacts that failed here and are not retried.")
VETOED = Metric("upgrade_vetoed", "Whether somebody vetoed upgrades on this machine.")
AUDIT = Metric("upgrade_audit_intact", "Whether the chain of what was done here still verifies.")
DOWNLOADED = Metric(
    "upgrade_download_bytes_total",
    "What the agent fetched for upgrades since the machine booted.",
    ("what",),
    COUNTER,
)
SYNCS = Metric(
    "upgrade_journal_fsyncs_total", "Lines of the journal put on disk since boot.", (), COUNTER
)
SYNCED = Metric(
    "upgrade_journal_fsync_seconds_total", "How long the disk took for all of them.", (), COUNTER
)
SYNC_LONGEST = Metric(
    "upgrade_journal_fsync_longest_seconds", "How long it took for the slowest of them."
)
ENERGY = Metric(
    "upgrade_energy_joules_total",
    "Taken since boot while an upgrade disturbed this node, as this meter has it.",
    ("meter",),
    COUNTER,
)

METRICS = (
    BOARD, POWER, TEMPERATURE, RTC_BATTERY, EEPROM, EEPROM_UPDATE,
    FLASH_LIFE, FLASH_END, WRITTEN, EXT4_ERRORS,
    SNAP, SNAP_HELD, REBOOT_REQUIRED, CERTIFICATE, READY, SCHEDULABLE, VOTERS, VOTERS_ANSWERING,
    PLAN, STATE, STATE_SINCE, CORDONED, STEP_TOOK, FAILED, ROLLED_BACK, RECORDS, SLOT, BURNT,
    VETOED, AUDIT,
    DOWNLOADED, SYNCS, SYNCED, SYNC_LONGEST, ENERGY,
)  # fmt: skip
