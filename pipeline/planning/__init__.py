"""Declarations to what has to be computed: pure data, no torch, parsed once per call."""
