"""A cluster as a cloud for a Juju model of its own: definition, project, and a way in."""

from __future__ import annotations

import json

import cluster_setup
import node_profile
from edgecloud.lxd import certificates, client
from view import View

CONTROLLER = "CONTROLLER"
"""What the operator puts the name of the controller in place of."""


def offer(
    lxd: client.Client, view: View, wish: cluster_setup.Wish, *, name: str, project: str
) -> dict[str, str]:
    """Have the project, and return the cloud's definition with a token for one client.

    The token lets one client in, once, and to this project alone. LXD lets it expire.
    """
    cluster_setup.ensure_project(lxd, wish, project)
    token = certificates.mint(lxd, f"juju-{name}", projects=[project])
    return {
        "cloud": definition(name, endpoints(view)),
        "token": token.encode(),
        "expires": token.expires_at,
        "commands": "\n".join(commands(name, project)),
    }


def endpoints(view: View) -> list[str]:
    """Return where the cluster is reached: those that answer; without any, this member.

    Never nothing: without an endpoint, Juju takes the LXD of the machine that it runs on.
    """
    found = [member.url for member in view.members if view.is_online(member.name)]
    return found or [member.url for member in view.members if member.name == view.name]


def commands(name: str, project: str) -> tuple[str, str, str]:
    """Return what leads from the offer to a model on the cloud.

    ``add-model`` knows the clouds and credentials of the controller, not those of the client, so
    both go to both. A controller of bare machines takes a cloud of another kind by force only.
    """
    to = f"--client --controller {CONTROLLER}"
    return (
        f"juju add-cloud {name} {name}.yaml {to} --force    # the cloud below, as a file",
        f"juju add-credential {name} {to}    # interactive; paste the trust token below",
        f"juju add-model {node_profile.PROJECT_NAME} {name} --controller {CONTROLLER}"
        f" --config project={project}",
    )


def definition(name: str, urls: list[str]) -> str:
    """Return the definition that ``juju add-cloud`` takes. Juju knows one endpoint of a cloud."""
    cloud = {
        "type": "lxd",
        "description": f"others, if the endpoint is down: {' '.join(urls[1:]) or 'none'}",
        "auth-types": ["certificate", "interactive"],
        "endpoint": urls[0],
        "regions": {"default": {"endpoint": urls[0]}},
    }
    # Every JSON text is a YAML text.
    return json.dumps({"clouds": {name: cloud}}, indent=2)
