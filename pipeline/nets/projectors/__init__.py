"""Projectors: features to embeddings; discarded after training."""
