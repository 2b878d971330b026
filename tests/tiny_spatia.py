"""A tiny Spatia with random weights in the layout of the real one; everything is made here, nothing downloaded."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from spatia_core.backends.spatia.latents import WAN22_VAE
from spatia_core.backends.spatia.pipeline import SpatiaPipeline
from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel

TINY: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 48,
    "out_channels": 48,
    "text_dim": 32,
    "freq_dim": 32,
    "ffn_dim": 48,
    "num_layers": 4,
    "vace_layers": [0, 2],
    "vace_in_channels": 96,
}
"""A transformer of the real one's build, small enough for a test."""


def tiny_transformer(seed: int = 0, **config: Any) -> SpatiaTransformer3DModel:
    """A random tiny denoiser."""
    torch.manual_seed(seed)
    return SpatiaTransformer3DModel(**TINY | config).eval()


def tiny_vae(seed: int = 0) -> AutoencoderKLWan:
    """A random tiny autoencoder of Wan 2.2's build."""
    torch.manual_seed(seed)
    small = {"base_dim": 3, "decoder_base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    return AutoencoderKLWan(**WAN22_VAE | small).eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One word per printable ASCII letter."""
    letters = [chr(i) for i in range(33, 127)]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *((c, -3.0) for c in letters)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def tiny_text_encoder(words: int, seed: int = 0) -> UMT5EncoderModel:
    """A random tiny umT5."""
    torch.manual_seed(seed)
    config = UMT5Config(
        vocab_size=words,
        d_model=32,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        pad_token_id=0,
        eos_token_id=1,
    )
    return UMT5EncoderModel(config).eval()


def tiny_pipeline(folder: Path, seed: int = 0) -> SpatiaPipeline:
    """A random tiny pipeline, saved to the folder as the real one is laid out."""
    tokenizer = tiny_tokenizer()
    pipe = SpatiaPipeline(
        vae=tiny_vae(seed),
        transformer=tiny_transformer(seed),
        text_encoder=tiny_text_encoder(len(tokenizer) + 4, seed),
        tokenizer=tokenizer,
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0, num_train_timesteps=1000
        ),
    )
    pipe.save_pretrained(folder)
    return pipe
