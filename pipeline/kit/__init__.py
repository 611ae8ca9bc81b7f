"""A kit: what a machine without network has to execute, carried there in parts, and its results carried back."""
