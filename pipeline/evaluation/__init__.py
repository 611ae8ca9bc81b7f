"""Evaluation: what is measured on a checkpoint, from one extraction of its features."""
