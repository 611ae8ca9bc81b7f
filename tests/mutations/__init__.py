"""What is broken on purpose, so that every claim of params/papers is seen to fail: one table per paper."""
