"""What charm and agent both know of a machine that is an LXD member and hosts instances."""
