"""Sources of data sets, one file each; ``build`` reads verified files (or none) and writes arrays."""
