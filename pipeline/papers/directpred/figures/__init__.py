"""What draws the figures of directpred, one file each."""
