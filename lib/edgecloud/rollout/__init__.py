"""Decide how a site upgrades: plan, windows, skew, grants, waves, site and node. Pure."""
