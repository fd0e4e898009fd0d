"""Puts the charm's own folders on the path, as its dispatch does."""
