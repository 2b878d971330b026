"""Editing: masks select points, operations change the memory, and the log of edits is replayed on every rebuild."""
