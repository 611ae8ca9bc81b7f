"""What draws the figures of isoloss, one file each."""
