"""The twin: a simulated site that runs the core, to rehearse a plan before it begins."""
