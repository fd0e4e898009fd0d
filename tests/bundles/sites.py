"""What tests of whole sites share, whichever kind of site: how they are made, and upgraded."""

import yaml

from edgecloud.rollout import plan


def making(kind, folder):
    """Yield a function that makes sites of a kind, each in a folder of its own; close them all."""
    made = []

    def make(**options):
        made.append(kind(folder / str(len(made)), **options))
        return made[-1]

    yield make
    for site in made:
        site.close()


def document(name, targets, /, **changes):
    """Return a plan for a whole site: one node first, then the rest."""
    return {
        "apiVersion": plan.API_VERSION,
        "kind": plan.KIND,
        "id": name,
        "expires": "2030-02-01T00:00:00Z",
        "targets": targets,
        "windows": "always",
        "canary": {"size": 1, "soak": "3m"},
        "waves": [{"name": "rest", "soak": "3m"}],
        "drain": {"timeout": "60s"},
        **changes,
    }


def start(site, controller, given):
    """Have a site's controller start a plan."""
    site.set_config(controller, {"plan": yaml.safe_dump(given)})
    digest = plan.read(given).digest
    done = site.run(f"{controller}/leader", "start", {"plan-digest": digest})
    assert done.status == "completed", done.message


def until(site, holds, *, within_s, said):
    """Run a site until something holds; let time pass where no hook is due."""
    end = site.clock.now() + within_s
    while not holds():
        assert site.clock.now() < end, f"never came: {said()}"
        if not site.step():
            due = (site.next_due(), site._next_poll())
            site.advance_to(min(each for each in due if each is not None))
