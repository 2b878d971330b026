"""Weights from files: safetensors only, checked against the model name by name and shape by shape."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from spatia_core.backends.spatia.names import Kind, official_name, renamed
from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel
from spatia_core.errors import InvalidInput

CONTROL_NAMES = ("control_weight_8500.safetensors", "step-8500.safetensors")
"""What the control branch's file is called: on the hub, and in the published instructions."""
LORA_NAMES = ("lora_weights_10000.safetensors", "step-10000.safetensors")
"""What the LoRA file is called, likewise."""
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
_KEPT_FLOAT32 = ("time_embedder", "scale_shift_table", "norm1", "norm2", "norm3")
"""Parts that diffusers keeps in float32 whatever the model's dtype."""

Weights = dict[str, torch.Tensor]


def check_file(path: Path, sha256: str | None = None) -> None:
    """Raises InvalidInput unless the file is a whole safetensors file with that checksum (None = any).

    The file is looked at as bytes only: a pickle is recognised and refused, never opened as one.
    """
    if not path.is_file():
        raise InvalidInput(f"There is no weight file {path}.")
    with path.open("rb") as file:
        head = file.read(8)
    if path.suffix.lower() in _PICKLES or head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"):
        raise InvalidInput(
            f"{path.name} is a pickle, which can run any program when it is opened. Only safetensors files are read; "
            "convert it where you trust it, or take the file that ends in .safetensors."
        )
    size = path.stat().st_size
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > size - 8:
        raise InvalidInput(f"{path.name} is not a whole safetensors file ({size} bytes). Download it again.")
    expected = _expected_size(path, length)
    if size != expected:
        raise InvalidInput(
            f"{path.name} is damaged or only partly downloaded: {size} of {expected} bytes are there. "
            "Download it again."
        )
    if sha256 is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256.lower():
            raise InvalidInput(
                f"{path.name} is not the expected file: its SHA-256 is {found}, expected {sha256}. Download it again."
            )


def _expected_size(path: Path, length: int) -> int:
    """How many bytes the file's own table says it has."""
    try:
        with path.open("rb") as file:
            file.seek(8)
            table = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as e:
        raise InvalidInput(f"{path.name} is not a safetensors file: its table of contents cannot be read.") from e
    return 8 + length + max(ends, default=0)


def weight_files(place: Path) -> list[Path]:
    """The safetensors files of a folder in order of their names, or the one file that was given."""
    if not place.is_dir():
        return [place]
    found = sorted(place.glob("*.safetensors"))
    if not found:
        pickles = sorted(p.name for p in place.iterdir() if p.suffix in _PICKLES)
        hint = f" {pickles[0]} is a pickle and is not read." if pickles else ""
        raise InvalidInput(f"There are no .safetensors files in {place}.{hint}")
    return found


def read(place: Path, sha256: str | None = None) -> Weights:
    """All tensors of a checked file, or of all safetensors files in a folder."""
    weights: Weights = {}
    for path in weight_files(place):
        check_file(path, sha256)
        try:
            with safe_open(path, framework="pt") as file:
                weights |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError) as e:
            raise InvalidInput(f"{path.name} cannot be read as safetensors ({e}). Download it again.") from e
    return weights


def matched(
    weights: Weights, expected: Mapping[str, Sequence[int]], source: str, kind: Kind = "transformer"
) -> Weights:
    """The weights under diffusers' names; raises InvalidInput naming what is missing, extra or misshapen.

    `expected` maps diffusers' names to shapes. Names may come in the official spelling or in diffusers'.
    """
    names = renamed(weights, kind)
    found = {new: weights[old] for old, new in names.items()}
    spelled = {new: old for old, new in names.items()}
    if len(found) < len(names):
        twice = next(old for old, new in names.items() if spelled[new] != old)
        raise InvalidInput(f"{source} holds {names[twice]!r} twice: as {twice!r} and as {spelled[names[twice]]!r}.")
    if extra := [n for n in found if n not in expected]:
        raise InvalidInput(
            f"{source} holds {spelled[extra[0]]!r}{_more(extra)}, which this model does not have. Is it another "
            "model's file, or in another file's place?"
        )
    if missing := [n for n in expected if n not in found]:
        first = official_name(missing[0]) if kind == "transformer" and names != spelled else missing[0]
        raise InvalidInput(f"{source} lacks {first!r}{_more(missing)}. It is another model's file or incomplete.")
    wrong = [n for n in expected if tuple(found[n].shape) != tuple(expected[n])]
    if wrong:
        n = wrong[0]
        raise InvalidInput(
            f"In {source} {spelled[n]!r} has the shape {list(found[n].shape)}, the model needs {list(expected[n])}"
            f"{_more(wrong)}. It is made for a model of another size."
        )
    return found


def _more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more such)" if len(names) > 1 else ""


def expected_shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Shape of every weight by diffusers' name."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def is_control(name: str) -> bool:
    """True for the weights of the control branch (in either spelling), False for the main transformer's."""
    return name.startswith(("vace_blocks.", "vace_patch_embedding."))


def empty_transformer(config: Mapping[str, Any]) -> SpatiaTransformer3DModel:
    """The model without memory for its weights (meta device)."""
    with torch.device("meta"):
        return SpatiaTransformer3DModel(**config)


def assemble(
    config: Mapping[str, Any],
    base: Weights,
    control: Weights,
    dtype: torch.dtype | None = None,
    sources: tuple[str, str] = ("the base model's file", "the control file"),
) -> SpatiaTransformer3DModel:
    """The denoiser of a base transformer and a control branch, each in either spelling, all weights accounted for.

    `dtype` None keeps every weight as it is; otherwise the parts diffusers keeps in float32 stay there.
    """
    model = empty_transformer(config)
    shapes = expected_shapes(model)
    parts = [
        matched(weights, {n: s for n, s in shapes.items() if is_control(n) == part}, source)
        for weights, part, source in ((base, False, sources[0]), (control, True, sources[1]))
    ]
    weights = {n: t if dtype is None else t.to(cast_dtype(n, dtype)) for part in parts for n, t in part.items()}
    model.load_state_dict(weights, strict=True, assign=True)
    return model.requires_grad_(False).eval()


def cast_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """What a weight is kept in when the model is loaded as `dtype`."""
    return torch.float32 if set(name.split(".")) & set(_KEPT_FLOAT32) else dtype


def spatia_config(base_config: Mapping[str, Any], control: Weights) -> dict[str, Any]:
    """The model's options: the base transformer's, and the control branch as its file has it, evenly laid out."""
    blocks = len({name.split(".")[1] for name in control if name.startswith("vace_blocks.")})
    layers = list(range(0, int(base_config["num_layers"]), 4))
    patch = next((t for name, t in control.items() if name == "vace_patch_embedding.weight"), None)
    if patch is None or blocks != len(layers):
        raise InvalidInput(
            f"The control file has {blocks} control blocks and {'no' if patch is None else 'a'} "
            f"'vace_patch_embedding.weight'; a base of {base_config['num_layers']} layers needs {len(layers)} blocks "
            "and that weight."
        )
    own = {name: value for name, value in base_config.items() if not name.startswith("_")}
    return own | {"vace_layers": layers, "vace_in_channels": int(patch.shape[1])}


def load_transformer(
    base: Path, control: Path, dtype: torch.dtype = torch.bfloat16, sha256: str | None = None
) -> SpatiaTransformer3DModel:
    """The denoiser from a base transformer's folder (config.json and safetensors) and Spatia's control file.

    `sha256` is the control file's checksum, where one is known.
    """
    config_file = base / "config.json"
    if not config_file.is_file():
        raise InvalidInput(f"{base} has no config.json; give the folder `transformer` of Wan2.2-TI2V-5B-Diffusers.")
    weights = read(control, sha256)
    config = spatia_config(json.loads(config_file.read_text()), weights)
    return assemble(config, read(base), weights, dtype, (f"The folder {base.name}", control.name))
