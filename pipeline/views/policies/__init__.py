"""Augmentation policies, one file each."""
