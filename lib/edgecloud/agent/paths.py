"""Where the agent keeps what it must not forget, and where it meets its charm and its operator."""

from __future__ import annotations

from edgecloud.host import rejoin_offer

HOME = "/var/lib/edge-agent"
"""Readable by either slot of a machine with two systems, so it belongs on the data partition."""

SETTINGS = f"{HOME}/settings.json"
INBOX = f"{HOME}/inbox.json"
OUTBOX = f"{HOME}/outbox.json"
JOURNAL = f"{HOME}/journal"
FORMER = f"{HOME}/journal.1"
PLANS = f"{HOME}/plans"
STAGING = f"{HOME}/staging"
BACKUPS = f"{HOME}/backups"
REJOIN = rejoin_offer.PATH
"""A join offer of another control plane, as secret as the token in it; the way back of a voter."""
ATTEMPT = f"{HOME}/attempt.json"
RETREAT = rejoin_offer.RETREAT
SEEN = f"{HOME}/seen.json"
HEALING = f"{HOME}/healing.json"
GAUGES = "/run/edge-agent/gauges.json"
"""Answers for metrics that are dear to ask; in memory, so that writing them wears nothing out."""

VETO = "/etc/edge-agent/veto"
"""While this file is there, nothing begins on this machine; its text says why."""
METERED = "/etc/edge-agent/metered"
"""While this file is there, what this machine fetches costs somebody money."""
ON_BATTERY = "/run/edge-agent/on-battery"
"""While this file is there, only a battery feeds this machine, which a UPS may know alone."""
REQUIRED = "/etc/edge-agent/required.d"
WANTED = "/etc/edge-agent/wanted.d"
SIGNERS = "/etc/edge-agent/allowed_signers"
