"""A cluster as a cloud for a Juju model of its own: definition, project, and a way in."""

from __future__ import annotations

import json

import cluster_setup
import node_profile
from edgecloud.lxd import certificates, client
from view import View


def offer(
    lxd: client.Client, view: View, wish: cluster_setup.Wish, *, name: str, project: str
) -> dict[str, str]:
    """Have the project, and return the cloud's definition with a token for one client.

    The token lets one client in, once, and to this project alone. LXD lets it expire.
    """
    cluster_setup.ensure_project(lxd, wish, project)
    token = certificates.mint(lxd, f"juju-{name}", projects=[project])
    endpoints = [member.url for member in view.members if view.is_online(member.name)]
    commands = (
        f"juju add-cloud --client {name} {name}.yaml    # the cloud below, as a file",
        f"juju add-credential {name}    # interactive; paste the trust token below",
        f"juju add-model {node_profile.PROJECT_NAME} {name} --config project={project}",
    )
    return {
        "cloud": definition(name, endpoints),
        "token": token.encode(),
        "expires": token.expires_at,
        "commands": "\n".join(commands),
    }


def definition(name: str, endpoints: list[str]) -> str:
    """Return the definition that ``juju add-cloud`` takes. Juju knows one endpoint of a cloud."""
    cloud = {
        "type": "lxd",
        "description": f"others, if the endpoint is down: {' '.join(endpoints[1:]) or 'none'}",
        "auth-types": ["certificate", "interactive"],
        "endpoint": endpoints[0] if endpoints else "",
        "regions": {"default": {"endpoint": endpoints[0] if endpoints else ""}},
    }
    # Every JSON text is a YAML text.
    return json.dumps({"clouds": {name: cloud}}, indent=2)
