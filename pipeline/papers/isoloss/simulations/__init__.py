"""Simulations of the artifacts of isoloss, one file each."""
