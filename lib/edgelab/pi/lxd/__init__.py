"""A stand-in for LXD on simulated machines: its daemon, its REST API, its program."""
