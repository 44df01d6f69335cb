"""Training: one step, the loop around it, its checkpoints and its files."""
