"""Simulations of the artifacts of embnorms, one file each."""
