"""Figures that belong to no paper."""
