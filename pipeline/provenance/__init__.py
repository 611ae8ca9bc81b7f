"""Where every number comes from, and whether it is still what was computed. Reads receipts; computes no science."""
