"""Spatia on diffusers: the denoiser, its weights, its sampler and one round of it as a pipeline.

Nothing is imported here, so that naming the package loads no heavy library; take what is needed from the modules.
"""
