"""Two revisions of the results: what differs, whether that is more than seed noise, and what caused it."""
