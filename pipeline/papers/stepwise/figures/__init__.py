"""What draws the figures of stepwise, one file each."""
