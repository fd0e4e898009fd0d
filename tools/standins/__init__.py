"""A unit's surroundings, as far as dispatching a packed charm needs them: no Juju, no machine."""
