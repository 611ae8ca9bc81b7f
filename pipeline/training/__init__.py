"""Training: the loop, its randomness, optimisers, schedules, checkpoints and resume."""
