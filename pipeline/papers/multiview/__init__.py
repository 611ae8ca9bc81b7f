"""Augmentation graphs, their operators, and the learning dynamics of Barlow Twins (Ghosh 2024)."""
