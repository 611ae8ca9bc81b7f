"""Bundles: what a reviewer is sent, and what she can check without our machine."""
