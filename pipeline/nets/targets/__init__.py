"""Targets: where the embedding that the predictor has to match comes from."""
