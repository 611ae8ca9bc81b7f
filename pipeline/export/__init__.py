"""Networks for other code: an encoder of a run in three lines, or as a folder that needs none of this."""
