"""Measures of stepwise, one file each; any paper may use them."""
