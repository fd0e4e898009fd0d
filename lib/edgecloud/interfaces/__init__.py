"""The relation interfaces, one module each, both ends in it."""
