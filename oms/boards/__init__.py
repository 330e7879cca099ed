"""What staff see of how the work stands: tiles per role, hours per step, profit."""
