"""Predictors: map the online embedding of one view to the target embedding of another."""
