"""Figures, one file each; ``draw`` turns the rows of an artifact into a picture and the data in it."""
