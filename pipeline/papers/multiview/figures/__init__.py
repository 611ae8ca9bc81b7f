"""What draws the figures of multiview, one file each."""
