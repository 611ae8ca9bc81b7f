"""Simulations, one file each: ``simulate`` turns parameters into numbers and curves."""
