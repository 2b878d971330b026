"""Training of the click segmenter: `python -m training.clicks --help`."""
