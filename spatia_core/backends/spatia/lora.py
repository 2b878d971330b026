"""Low-rank additions to the main transformer that are switched on and off without touching its weights."""

import re
from collections.abc import Iterable

import torch
from torch import nn

from spatia_core.backends.spatia.names import transformer_name
from spatia_core.backends.spatia.weights import Weights
from spatia_core.errors import InvalidInput

_PREFIXES = ("diffusion_model.", "transformer.", "base_model.model.", "dit.", "model.")
_KEY = re.compile(r"(?P<module>.+?)\.(?:lora[_.])(?P<half>A|B|down|up)(?:\.(?!weight$)[^.]+)?(?:\.weight)?")
_HALVES = {"A": "A", "down": "A", "B": "B", "up": "B"}


def _module(name: str) -> str:
    """diffusers' name of a linear layer, given in the official spelling or in diffusers'."""
    if ".attn1." in name or ".attn2." in name or ".ffn.net." in name:
        return name
    return transformer_name(f"{name}.weight").removesuffix(".weight")


def _stripped(names: Iterable[str]) -> dict[str, str]:
    """Name without what stands before the layer, of the names that count.

    The published file holds `pipe.dit.` somewhere in each name that is meant; its other names are left out.
    """
    given = list(names)
    if any("pipe.dit." in name for name in given):
        return {name: name.split("pipe.dit.", 1)[1] for name in given if "pipe.dit." in name}
    out = {}
    for name in given:
        short = name
        while prefix := next((p for p in _PREFIXES if short.startswith(p)), None):
            short = short.removeprefix(prefix)
        out[name] = short
    return out


def lora_pairs(weights: Weights, source: str = "the LoRA file") -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """The two factors (rank, in) and (out, rank) of every layer by diffusers' name; alphas are multiplied in.

    Accepts names after `pipe.dit.`, `diffusion_model.`, `transformer.` or nothing, with an adapter's name or without,
    as A and B or as down and up. Raises InvalidInput naming the first key that does not fit.
    """
    halves: dict[str, dict[str, torch.Tensor]] = {}
    alphas: dict[str, float] = {}
    for name, short in _stripped(weights).items():
        if short.endswith(".alpha"):
            alphas[_module(short.removesuffix(".alpha"))] = float(weights[name])
        elif key := _KEY.fullmatch(short):
            halves.setdefault(_module(key["module"]), {})[_HALVES[key["half"]]] = weights[name]
        else:
            raise InvalidInput(f"{source} holds {name!r}, which is not part of a LoRA (lora_A, lora_B, alpha).")
    if not halves:
        raise InvalidInput(f"{source} holds no LoRA: no name in it contains lora_A or lora_B.")
    pairs = {}
    for module, half in halves.items():
        if lost := {"A", "B"} - half.keys():
            raise InvalidInput(f"{source} lacks lora_{min(lost)} of {module!r}.")
        a, b = half["A"], half["B"]
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise InvalidInput(
                f"In {source} the factors of {module!r} do not fit: lora_A is {list(a.shape)}, lora_B {list(b.shape)}."
            )
        # the published rule multiplies by nothing; files of other trainers carry alpha, meant as alpha / rank
        pairs[module] = (a, b * (alphas[module] / a.shape[0]) if module in alphas else b)
    if strange := alphas.keys() - pairs.keys():
        raise InvalidInput(f"{source} holds an alpha for {min(strange)!r} but no factors.")
    return pairs


class Lora:
    """Low-rank additions hung on a transformer's linear layers: W x + B (A x) while enabled, W x bit for bit while not.

    The layers' own weights are never changed, so switching leaves no rounding behind and quantised layers work too.
    The factors move with the model and are not saved with it.
    """

    def __init__(self, transformer: nn.Module, weights: Weights, source: str = "the LoRA file") -> None:
        self.enabled = False
        pairs = lora_pairs(weights, source)
        layers = dict(transformer.named_modules())
        for module, (a, b) in pairs.items():
            self._check(layers.get(module), module, a, b, source)
        self.layers = tuple(pairs)
        self._handles = []
        for module, (a, b) in pairs.items():
            layer = layers[module]
            place = {"device": layer.weight.device, "dtype": a.dtype}
            layer.register_buffer("spatia_lora_a", a.to(**place), persistent=False)
            layer.register_buffer("spatia_lora_b", b.to(**place), persistent=False)
            self._handles.append((layer, layer.register_forward_hook(self._add)))

    @staticmethod
    def _check(layer: nn.Module | None, module: str, a: torch.Tensor, b: torch.Tensor, source: str) -> None:
        size = [getattr(layer, name, None) for name in ("in_features", "out_features")]
        if None in size:
            raise InvalidInput(f"{source} is for a layer {module!r}, which this model does not have as a linear layer.")
        if [a.shape[1], b.shape[0]] != size:
            raise InvalidInput(
                f"In {source} the LoRA of {module!r} maps {a.shape[1]} to {b.shape[0]} numbers, the model's layer "
                f"{size[0]} to {size[1]}. It is made for a model of another size."
            )
        if hasattr(layer, "spatia_lora_a"):
            raise InvalidInput("The transformer has a LoRA already; remove that one first.")

    def _add(self, layer: nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor | None:
        if not self.enabled:
            return None
        x = args[0]
        a, b = (layer.get_buffer(name).to(x.device, x.dtype) for name in ("spatia_lora_a", "spatia_lora_b"))
        return out + nn.functional.linear(nn.functional.linear(x, a), b)

    def remove(self) -> None:
        """Takes the additions off again."""
        for layer, handle in self._handles:
            handle.remove()
            del layer.spatia_lora_a, layer.spatia_lora_b
        self._handles = []
