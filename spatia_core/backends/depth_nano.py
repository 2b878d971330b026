"""Depth by our own network: the layout of a scene from one photo, no download, no GPU."""
