"""Simulations of the artifacts of stepwise, one file each."""
