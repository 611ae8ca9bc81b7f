"""Rebuild every table and figure of five papers on self-supervised learning."""
