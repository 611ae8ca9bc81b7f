"""What is computed now: the state of every node, what Snakemake is told, and who executes."""
