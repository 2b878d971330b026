"""The training that Spatia's paper reports, as runnable code, and the small proof of its ablation.

`python -m training.spatia --help`; every number stands in `TrainConfig`.
"""
