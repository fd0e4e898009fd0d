"""What a machine tells of itself to the node exporter: one source for each thing that is asked."""
