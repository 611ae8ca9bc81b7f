"""Simulations of the artifacts of directpred, one file each."""
