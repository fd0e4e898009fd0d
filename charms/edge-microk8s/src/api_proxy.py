"""The proxy by which a worker reaches the API servers: which of them it knows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, cast

import yaml

import microk8s
from edgecloud import host as machines
from edgecloud.host import files

PROVIDER = f"{microk8s.ARGS}/traefik/provider.yaml"


def ensure(host: machines.Host, endpoints: Collection[str]) -> bool:
    """Ensure that a worker knows two API servers (``ADDRESS:PORT``) that exist, if there are two.

    Its proxy follows the cluster by itself, but not out of an empty list, nor away from a seed
    that was removed before it answered. Return whether anything changed.
    """
    text = files.read(host, PROVIDER)
    known = set(re.findall(r"address:\s*[\"']?([^\s\"']+)", text)) & set(endpoints)
    if not microk8s.is_worker(host) or len(known) >= min(2, len(endpoints)):
        return False
    files.rewrite(host, PROVIDER, _with_servers(text, sorted(endpoints)))
    microk8s.restart(host, ["apiserver-proxy"])
    return True


def _with_servers(provider: str, endpoints: Sequence[str]) -> str:
    """Return the proxy's file with these servers, everything else in it as it was.

    What a power cut damaged is written anew: the proxy reads nothing but the servers.
    """
    try:
        loaded = yaml.safe_load(provider)
    except yaml.YAMLError:
        loaded = None
    document = cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}
    place = document
    for key in ("tcp", "services", "kube-apiserver", "loadBalancer"):
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = cast("dict[str, Any]", place[key])
    place["servers"] = [{"address": endpoint} for endpoint in endpoints]
    return yaml.safe_dump(document, sort_keys=False)
