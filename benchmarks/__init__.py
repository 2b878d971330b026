"""Every figure the project states comes from a command in here; each prints one JSON object as its last line."""
