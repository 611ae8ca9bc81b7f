"""Encoders: images to features; what the linear probe reads."""
