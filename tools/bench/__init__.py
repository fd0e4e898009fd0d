"""Measurements of what the charms cost, each against a bare charm in the same run."""
