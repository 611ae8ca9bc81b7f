"""Embedding norms under cosine losses (Draganov et al. 2025): gradients, steps, simulated embeddings."""
