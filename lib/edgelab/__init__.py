"""The embedded lab: a Juju model in one process, with the real charm code on simulated Pis."""
