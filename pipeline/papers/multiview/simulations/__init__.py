"""Simulations of the artifacts of multiview, one file each."""
