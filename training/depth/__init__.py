"""Training of the depth network: `python -m training.depth --help`."""
