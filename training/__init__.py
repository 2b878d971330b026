"""Training: the procedural world, the small networks, and Spatia itself. Nothing of the product imports this."""
