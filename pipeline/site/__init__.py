"""A static site of everything that is built: results beside what is published, and where each number comes from."""
