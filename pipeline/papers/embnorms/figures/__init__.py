"""What draws the figures of embnorms, one file each."""
