"""Wan 2.2's autoencoder from a file in its original spelling."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKLWan

from spatia_core.backends.spatia.latents import WAN22_VAE
from spatia_core.backends.spatia.weights import Weights, expected_shapes, matched


def empty_vae(config: Mapping[str, Any] = WAN22_VAE) -> AutoencoderKLWan:
    """The autoencoder without memory for its weights (meta device)."""
    with torch.device("meta"):
        return AutoencoderKLWan(**config)


def assemble_vae(
    weights: Weights, config: Mapping[str, Any] = WAN22_VAE, source: str = "the autoencoder's file"
) -> AutoencoderKLWan:
    """The autoencoder with these weights, in the original spelling or diffusers', all accounted for."""
    vae = empty_vae(config)
    vae.load_state_dict(matched(weights, expected_shapes(vae), source, "vae"), strict=True, assign=True)
    return vae.requires_grad_(False).eval()
