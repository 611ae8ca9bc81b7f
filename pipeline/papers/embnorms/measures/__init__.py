"""Measures that this paper brings along: norms of embeddings, and what goes with them."""
