"""Initialisations: what is done to the initial weights, once, before the first step."""
