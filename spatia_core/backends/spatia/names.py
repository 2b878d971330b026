"""Names of weights: the published files' spelling and that of diffusers."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

Kind = Literal["transformer", "vae"]

_TRANSFORMER = (
    ("time_embedding.0.", "condition_embedder.time_embedder.linear_1."),
    ("time_embedding.2.", "condition_embedder.time_embedder.linear_2."),
    ("text_embedding.0.", "condition_embedder.text_embedder.linear_1."),
    ("text_embedding.2.", "condition_embedder.text_embedder.linear_2."),
    ("time_projection.1.", "condition_embedder.time_proj."),
    ("head.modulation", "scale_shift_table"),
    ("head.head.", "proj_out."),
    (".modulation", ".scale_shift_table"),
    (".self_attn.", ".attn1."),
    (".cross_attn.", ".attn2."),
    (".q.", ".to_q."),
    (".k.", ".to_k."),
    (".v.", ".to_v."),
    (".o.", ".to_out.0."),
    (".ffn.0.", ".ffn.net.0.proj."),
    (".ffn.2.", ".ffn.net.2."),
    (".before_proj.", ".proj_in."),
    (".after_proj.", ".proj_out."),
)
"""Applied in this order; norm2 and norm3 of a block also change places."""

_SWAPPED = {".norm2.": ".norm3.", ".norm3.": ".norm2."}
_VAE_OUTER = {
    "conv1": "quant_conv",
    "conv2": "post_quant_conv",
    "encoder.conv1": "encoder.conv_in",
    "decoder.conv1": "decoder.conv_in",
    "encoder.head.0": "encoder.norm_out",
    "decoder.head.0": "decoder.norm_out",
    "encoder.head.2": "encoder.conv_out",
    "decoder.head.2": "decoder.conv_out",
}
_VAE_MIDDLE = {
    "middle.0": "mid_block.resnets.0",
    "middle.1": "mid_block.attentions.0",
    "middle.2": "mid_block.resnets.1",
}
_VAE_INNER = {
    "residual.0": "norm1",
    "residual.2": "conv1",
    "residual.3": "norm2",
    "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}
_GROUP = re.compile(r"(encoder|decoder)\.(down|up)samples\.(\d+)\.\2samples\.(\d+)\.(.+)")


def spelling(names: Iterable[str], kind: Kind = "transformer") -> Literal["official", "diffusers"]:
    """Which spelling a file's names are in."""
    signs = {
        "transformer": (".self_attn.", ".cross_attn.", "time_embedding."),
        "vae": ("middle.", "downsamples.", "upsamples.", "head."),
    }[kind]
    return "official" if any(sign in name for name in names for sign in signs) else "diffusers"


def transformer_name(official: str) -> str:
    """diffusers' name of an official name of the main or control transformer; strange names stay as they are."""
    name = official
    for old, new in _TRANSFORMER:
        name = name.replace(old, new)
    return _swap(name)


def official_name(name: str) -> str:
    """The official name of one of diffusers' transformer names."""
    name = _swap(name)
    if name == "scale_shift_table":
        return "head.modulation"
    if name.startswith("proj_out."):
        return name.replace("proj_out.", "head.head.")
    for old, new in reversed(_TRANSFORMER):
        if old not in ("head.modulation", "head.head."):
            name = name.replace(new, old)
    return name


def _swap(name: str) -> str:
    for old, new in _SWAPPED.items():
        if old in name:
            return name.replace(old, new)
    return name


def vae_name(official: str) -> str:
    """diffusers' name of an official name of Wan 2.2's autoencoder; strange names stay as they are."""
    stem, _, leaf = official.rpartition(".")
    if stem in _VAE_OUTER:
        return f"{_VAE_OUTER[stem]}.{leaf}"
    if group := _GROUP.fullmatch(official):
        side, way, block, index, rest = group.groups()
        if rest.startswith(("resample.", "time_conv.")):
            return f"{side}.{way}_blocks.{block}.{way}sampler.{rest}"
        return f"{side}.{way}_blocks.{block}.resnets.{index}.{_inner(rest)}"
    for old, new in _VAE_MIDDLE.items():
        side, dot, rest = official.partition(f".{old}.")
        if dot:
            return f"{side}.{new}.{_inner(rest)}"
    return official


def _inner(rest: str) -> str:
    stem, _, leaf = rest.rpartition(".")
    return f"{_VAE_INNER.get(stem, stem)}.{leaf}"


def renamed(names: Iterable[str], kind: Kind = "transformer") -> Mapping[str, str]:
    """diffusers' name of every name, whichever spelling the file is in."""
    given = list(names)
    if spelling(given, kind) == "diffusers":
        return {name: name for name in given}
    change = transformer_name if kind == "transformer" else vae_name
    return {name: change(name) for name in given}
