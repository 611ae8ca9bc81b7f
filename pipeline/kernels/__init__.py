"""Kernels of trained networks: the empirical neural tangent kernel, exact and within a budget of memory."""
