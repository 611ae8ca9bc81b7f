"""Measures, one file each: a function of a subject, whose keyword-only arguments are the protocol."""
