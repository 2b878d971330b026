"""Everything that can be exchanged: depth estimators, segmenters, generators, trackers."""
