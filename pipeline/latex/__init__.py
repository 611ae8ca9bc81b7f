"""Results as LaTeX: tables, single numbers, and what changed between two revisions. Reads results; decides nothing."""
