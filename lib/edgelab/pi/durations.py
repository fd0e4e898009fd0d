"""How long things take on a Raspberry Pi, in seconds; the one table of it."""

from __future__ import annotations

COMMAND = 0.02
"""Any command, before it does anything."""

SECONDS = {
    "snap-install": 75.0,
    "snap-refresh": 60.0,
    "snap-remove": 25.0,
    "snap-configure": 4.0,
    "snap-service": 2.0,
    "snap-download": 20.0,
    "join": 12.0,
    "join-worker": 8.0,
    "join-silent": 31.0,
    "settle-datastore": 10.0,
    "leave": 22.0,
    "leave-worker": 8.0,
    "agent-http": 0.4,
    "agent-timeout": 130.0,
    "kubectl": 0.15,
    "evict": 2.0,
    "evict-retry": 5.0,
    "status": 1.2,
    "status-poll": 2.0,
    "datastore-query": 0.1,
    "datastore-down": 20.0,
    "addon": 8.0,
    "addon-wait": 30.0,
    "backup": 3.0,
    "certificate": 1.0,
    "start": 6.0,
    "stop": 8.0,
    "inspect": 12.0,
    "apt": 15.0,
    "boot": 25.0,
    "api-timeout": 60.0,
}

NODE_READY_AFTER_INSTALL = 30.0
NODE_READY_AFTER_RESTART = 10.0
NODE_READY_AFTER_BOOT = 55.0
NODE_UNKNOWN_AFTER = 40.0
LEASE_RENEWED_EVERY = 10.0
POD_START = 3.0
ROLES_EVERY = 30.0
LAUNCHER_EVERY = 5.0
KICKER_EVERY = 5.0
PROVIDER_EVERY = 30.0
AUTO_REFRESH_EVERY = 6 * 3600.0
DAY = 86400.0
