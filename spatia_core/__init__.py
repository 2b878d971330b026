"""Spatia core: a photo becomes a spatial memory, a camera path becomes a clip, and the clip updates the memory."""
