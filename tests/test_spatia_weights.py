"""Published files into diffusers' classes: every name, every shape, and nothing that is not a safetensors file."""

import hashlib
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spatia_core.backends.spatia.lora import Lora, lora_pairs
from spatia_core.backends.spatia.names import official_name, transformer_name
from spatia_core.backends.spatia.transformer import SPATIA_5B
from spatia_core.backends.spatia.vae_weights import assemble_vae, empty_vae
from spatia_core.backends.spatia.weights import (
    CONTROL_NAMES,
    Weights,
    assemble,
    check_file,
    empty_transformer,
    load_transformer,
    matched,
    read,
    spatia_config,
)
from spatia_core.errors import InvalidInput
from tests.test_spatia_transformer import call
from tests.tiny_spatia import TINY, tiny_transformer

DIM = {"tiny": 24, "full": 3072}


def block_shapes(dim: int, ffn: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """One transformer block as the published files spell it."""
    for attention in ("self_attn", "cross_attn"):
        for part in "qkvo":
            yield f"{attention}.{part}.weight", (dim, dim)
            yield f"{attention}.{part}.bias", (dim,)
        yield f"{attention}.norm_q.weight", (dim,)
        yield f"{attention}.norm_k.weight", (dim,)
    yield from [("ffn.0.weight", (ffn, dim)), ("ffn.0.bias", (ffn,)), ("ffn.2.weight", (dim, ffn))]
    yield from [("ffn.2.bias", (dim,)), ("norm3.weight", (dim,)), ("norm3.bias", (dim,)), ("modulation", (1, 6, dim))]


def base_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """The main transformer's file."""
    dim = config["num_attention_heads"] * config["attention_head_dim"]
    shapes = {
        "patch_embedding.weight": (dim, config["in_channels"], 1, 2, 2),
        "patch_embedding.bias": (dim,),
        "text_embedding.0.weight": (dim, config["text_dim"]),
        "text_embedding.2.weight": (dim, dim),
        "time_embedding.0.weight": (dim, config["freq_dim"]),
        "time_embedding.2.weight": (dim, dim),
        "time_projection.1.weight": (6 * dim, dim),
        "time_projection.1.bias": (6 * dim,),
        "head.head.weight": (4 * config["out_channels"], dim),
        "head.head.bias": (4 * config["out_channels"],),
        "head.modulation": (1, 2, dim),
    }
    shapes |= {f"{e}_embedding.{k}.bias": (dim,) for e in ("text", "time") for k in (0, 2)}
    for layer in range(config["num_layers"]):
        shapes |= {f"blocks.{layer}.{n}": s for n, s in block_shapes(dim, config["ffn_dim"])}
    return shapes


def control_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """The control branch's file."""
    dim = config["num_attention_heads"] * config["attention_head_dim"]
    shapes: dict[str, tuple[int, ...]] = {
        "vace_patch_embedding.weight": (dim, config["vace_in_channels"], 1, 2, 2),
        "vace_patch_embedding.bias": (dim,),
    }
    for k in range(len(config["vace_layers"])):
        shapes |= {f"vace_blocks.{k}.{n}": s for n, s in block_shapes(dim, config["ffn_dim"])}
        for projection in ("before_proj", "after_proj") if k == 0 else ("after_proj",):
            shapes |= {f"vace_blocks.{k}.{projection}.weight": (dim, dim), f"vace_blocks.{k}.{projection}.bias": (dim,)}
    return shapes


def vae_shapes() -> set[str]:
    """Names of the published autoencoder's weights."""
    names = {"conv1", "conv2", *(f"{s}.{n}" for s in ("encoder", "decoder") for n in ("conv1", "head.2"))}
    out = {f"{n}.{leaf}" for n in names for leaf in ("weight", "bias")} | {
        "encoder.head.0.gamma",
        "decoder.head.0.gamma",
    }

    def residual(at: str, shortcut: bool) -> set[str]:
        convolutions = ["residual.2", "residual.6"] + ["shortcut"] * shortcut
        gammas = {f"{at}.residual.{k}.gamma" for k in (0, 3)}
        return gammas | {f"{at}.{c}.{leaf}" for c in convolutions for leaf in ("weight", "bias")}

    for side, way, count, widened, changing in (
        ("encoder", "down", 2, (1, 2), (1, 2)),
        ("decoder", "up", 3, (2, 3), (0, 1)),
    ):
        out |= residual(f"{side}.middle.0", False) | residual(f"{side}.middle.2", False)
        out |= {
            f"{side}.middle.1.{n}"
            for n in ("norm.gamma", *(f"{c}.{b}" for c in ("to_qkv", "proj") for b in ("weight", "bias")))
        }
        for i in range(4):
            group = f"{side}.{way}samples.{i}.{way}samples"
            for j in range(count):
                out |= residual(f"{group}.{j}", i in widened and j == 0)
            convolutions = (["resample.1"] if i < 3 else []) + (["time_conv"] if i in changing else [])
            out |= {f"{group}.{count}.{c}.{leaf}" for c in convolutions for leaf in ("weight", "bias")}
    return out


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    return {n: 0.2 * torch.randn(s, generator=generator) for n, s in shapes.items()}


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """A base folder and a control file, tiny, in the published spelling."""
    base = tmp_path / "transformer"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"_class_name": "WanTransformer3DModel"} | base_config()))
    halves = list(random_weights(base_shapes(TINY)).items())
    for k, half in enumerate((halves[::2], halves[1::2])):
        save_file(dict(half), base / f"diffusion_pytorch_model-0000{k + 1}-of-00002.safetensors")
    save_file(random_weights(control_shapes(LAYERS4), 1), tmp_path / CONTROL_NAMES[0])
    return base, tmp_path / CONTROL_NAMES[0]


LAYERS4 = TINY | {"vace_layers": [0]}
"""Control blocks stand at every fourth layer; the tiny model has four."""


def base_config() -> dict:
    return {name: value for name, value in TINY.items() if not name.startswith("vace")}


def test_every_name_of_the_full_models_files_is_known():
    with torch.device("meta"):
        base = {n: torch.empty(s) for n, s in base_shapes(SPATIA_5B).items()}
        control = {n: torch.empty(s) for n, s in control_shapes(SPATIA_5B).items()}
    assert (len(base), sum(t.numel() for t in base.values())) == (825, 4_999_787_712)
    assert (len(control), sum(t.numel() for t in control.values())) == (236, 1_395_398_656)
    model = assemble(SPATIA_5B, base, control)
    assert sum(p.numel() for p in model.parameters()) == 6_395_186_368
    assert len({transformer_name(n) for n in (*base, *control)}) == 1061
    assert all(official_name(transformer_name(n)) == n for n in (*base, *control))


def test_every_name_of_the_published_autoencoder_is_known():
    vae = empty_vae()
    shapes = {n: tuple(t.shape) for n, t in vae.state_dict().items()}
    from spatia_core.backends.spatia.names import vae_name

    official = vae_shapes()
    assert {vae_name(n) for n in official} == set(shapes)
    with torch.device("meta"):
        weights = {n: torch.empty(shapes[vae_name(n)]) for n in official}
    assert assemble_vae(weights).config["z_dim"] == 48
    weights.pop("encoder.middle.1.proj.bias")
    with pytest.raises(InvalidInput, match=re.escape("'encoder.mid_block.attentions.0.proj.bias'")):
        assemble_vae(weights)


def test_each_weight_arrives_where_it_belongs(files):
    model = load_transformer(*files, dtype=torch.float32)
    state = model.state_dict()
    base, control = read(files[0]), read(files[1])
    for name, tensor in (base | control).items():
        assert torch.equal(state[transformer_name(name)], tensor), name
    own = state["blocks.2.norm2.weight"]
    assert torch.equal(own, base["blocks.2.norm3.weight"])
    assert model.config["vace_layers"] == [0]
    assert torch.isfinite(call(model, refs=2)).all()


def test_both_spellings_and_a_saved_model_give_the_same(files, tmp_path):
    model = load_transformer(*files, dtype=torch.float32)
    base, control = read(files[0]), read(files[1])
    theirs = assemble(spatia_config(base_config(), control), {transformer_name(n): t for n, t in base.items()}, control)
    assert torch.equal(call(theirs), call(model))
    other = files[1].rename(tmp_path / CONTROL_NAMES[1])
    assert torch.equal(call(load_transformer(files[0], other, torch.float32)), call(model))


def test_bfloat16_keeps_what_diffusers_keeps_in_float32(files):
    dtypes = {n: t.dtype for n, t in load_transformer(*files).state_dict().items()}
    assert dtypes["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    for name in ("scale_shift_table", "blocks.0.scale_shift_table", "blocks.0.norm2.weight"):
        assert dtypes[name] == torch.float32
    assert dtypes["condition_embedder.time_embedder.linear_1.weight"] == torch.float32


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop("vace_blocks.0.self_attn.q.weight"), "lacks 'vace_blocks.0.self_attn.q.weight'"),
        (
            lambda w: w.update({"vace_blocks.0.self_attn.z.weight": torch.zeros(1)}),
            "'vace_blocks.0.self_attn.z.weight'",
        ),
        (lambda w: w.update({"blocks.0.modulation": torch.zeros(1)}), "'blocks.0.modulation'"),
        (
            lambda w: w.update({"vace_blocks.0.modulation": torch.zeros(1, 5, 24)}),
            "'vace_blocks.0.modulation' has the shape",
        ),
        (lambda w: w.pop("vace_patch_embedding.weight"), "'vace_patch_embedding.weight'"),
        (lambda w: w.update({"vace_blocks.1.modulation": torch.zeros(1, 6, 24)}), "2 control blocks"),
    ],
)
def test_a_control_file_that_does_not_fit_is_refused_by_name(files, change, says):
    weights = read(files[1])
    change(weights)
    save_file(weights, files[1])
    with pytest.raises(InvalidInput, match=re.escape(says)):
        load_transformer(*files)


def test_a_base_that_does_not_fit_is_refused_by_name(files):
    weights = read(files[0])
    del weights["head.modulation"]
    with pytest.raises(InvalidInput, match=r"lacks 'head.modulation'"):
        assemble(LAYERS4, weights, read(files[1]))
    with pytest.raises(InvalidInput, match="twice"):
        matched(
            {"head.modulation": torch.zeros(1), "scale_shift_table": torch.zeros(1), "a.self_attn.": torch.zeros(1)},
            {},
            "it",
        )


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.ckpt", "w.safetensors"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_is_refused_and_never_opened(tmp_path, name, zipped):
    trap = Trap(tmp_path / "mark")
    if zipped:
        torch.save({"w": trap}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(trap))
    with pytest.raises(InvalidInput, match="is a pickle"):
        read(tmp_path / name)
    assert not (tmp_path / "mark").exists()


def test_a_folder_with_only_pickles_says_so(tmp_path):
    (tmp_path / "model.pth").write_bytes(b"\x80\x02")
    with pytest.raises(InvalidInput, match=r"model\.pth is a pickle"):
        read(tmp_path)


@pytest.mark.parametrize("left", [0, 4, 8, 30, -1])
def test_a_half_downloaded_file_is_refused(tmp_path, left):
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(10)}, path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InvalidInput, match=r"w\.safetensors.*Download it again"):
        read(path)


def test_a_tampered_file_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(10)}, path)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    check_file(path, right)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    check_file(path)
    with pytest.raises(InvalidInput, match="not the expected file"):
        read(path, right)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>" * 20, b"\x05\0\0\0\0\0\0\0hello", b"\x02\0\0\0\0\0\0\0[]"])
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"w\.safetensors is"):
        read(tmp_path / "w.safetensors")


LAYERS = ("self_attn.q", "self_attn.o", "cross_attn.v", "ffn.0", "ffn.2")
SPELLINGS = {
    "published": "pipe.dit.blocks.{n}.{layer}.lora_{half}.default.weight",
    "published, no adapter": "pipe.dit.blocks.{n}.{layer}.lora_{half}.weight",
    "wrapped": "module.pipe.dit.blocks.{n}.{layer}.lora_{half}.default.weight",
    "diffusion_model": "diffusion_model.blocks.{n}.{layer}.lora_{half}.weight",
    "bare": "blocks.{n}.{layer}.lora_{half}.weight",
    "diffusers": "transformer.blocks.{n}.{layer}.lora_{half}.weight",
    "peft": "base_model.model.blocks.{n}.{layer}.lora_{half}.default.weight",
    "down and up": "diffusion_model.blocks.{n}.{layer}.lora_{half}.weight",
}


def lora_weights(spelling: str = "published", rank: int = 3) -> Weights:
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for n in range(TINY["num_layers"]):
        for layer in LAYERS:
            out, size = {"ffn.0": (48, 24), "ffn.2": (24, 48)}.get(layer, (24, 24))
            for half, shape in (("A", (rank, size)), ("B", (out, rank))):
                name = transformer_name(f"{layer}.weight")[:-7] if spelling == "diffusers" else layer
                if spelling == "diffusers":
                    name = transformer_name(f"blocks.{n}.{layer}.weight").removeprefix(f"blocks.{n}.")[:-7]
                spelled = {"A": "down", "B": "up"}[half] if spelling == "down and up" else half
                key = SPELLINGS[spelling].format(n=n, layer=name, half=spelled)
                weights[key] = 0.3 * torch.randn(shape, generator=generator)
    return weights


def merged(model, weights: Weights):
    """The model with the published rule W += B A worked into it."""
    state = {n: t.clone() for n, t in model.state_dict().items()}
    for name, a in weights.items():
        if ".lora_A." in name:
            layer = name.removeprefix("pipe.dit.").split(".lora_A.")[0]
            state[transformer_name(f"{layer}.weight")] += weights[name.replace("lora_A", "lora_B")] @ a
    out = tiny_transformer()
    out.load_state_dict(state)
    return out


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_lora_adds_what_merging_would_in_each_spelling(spelling):
    model = tiny_transformer()
    plain, wanted = call(model), call(merged(model, lora_weights()))
    lora = Lora(model, lora_weights(spelling))
    assert len(lora.layers) == 20
    assert torch.equal(call(model), plain)
    lora.enabled = True
    torch.testing.assert_close(call(model), wanted, rtol=0, atol=2e-5)
    assert (wanted - plain).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_switching_a_lora_leaves_nothing_behind(dtype):
    model = tiny_transformer().to(dtype)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    inputs = [torch.randn(1, 48, 3, 4, 6).to(dtype), torch.full((1, 3), 500.0), torch.randn(1, 5, 32).to(dtype)]

    def out() -> torch.Tensor:
        with torch.no_grad():
            return model(*inputs).sample

    plain, lora = out(), Lora(model, lora_weights())
    lora.enabled = True
    added = out()
    for _ in range(5):
        lora.enabled = False
        assert torch.equal(out(), plain)
        lora.enabled = True
        assert torch.equal(out(), added)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    lora.remove()
    assert torch.equal(out(), plain)


def test_names_outside_the_main_transformer_are_left_out_as_published():
    weights = lora_weights() | {"pipe.vace.vace_blocks.0.self_attn.q.lora_A.default.weight": torch.zeros(3, 24)}
    assert len(lora_pairs(weights)) == 20


def test_alpha_counts_where_a_file_has_it():
    weights = lora_weights("diffusion_model") | {"diffusion_model.blocks.0.self_attn.q.alpha": torch.tensor(6.0)}
    plain, scaled = lora_pairs(lora_weights("diffusion_model")), lora_pairs(weights)
    torch.testing.assert_close(scaled["blocks.0.attn1.to_q"][1], 2 * plain["blocks.0.attn1.to_q"][1])
    torch.testing.assert_close(scaled["blocks.1.attn1.to_q"][1], plain["blocks.1.attn1.to_q"][1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda w: w.pop("pipe.dit.blocks.0.self_attn.q.lora_A.default.weight"),
            "lacks lora_A of 'blocks.0.attn1.to_q'",
        ),
        (
            lambda w: w.update({"pipe.dit.blocks.0.self_attn.q.weight": torch.zeros(1)}),
            "'pipe.dit.blocks.0.self_attn.q.weight'",
        ),
        (
            lambda w: w.update(
                {
                    "pipe.dit.blocks.9.ffn.0.lora_A.weight": torch.zeros(3, 24),
                    "pipe.dit.blocks.9.ffn.0.lora_B.weight": torch.zeros(48, 3),
                }
            ),
            "'blocks.9.ffn.net.0.proj'",
        ),
        (lambda w: w.update({"pipe.dit.blocks.0.ffn.0.lora_A.default.weight": torch.zeros(3, 25)}), "maps 25 to 48"),
        (lambda w: w.update({"pipe.dit.blocks.0.ffn.0.lora_A.default.weight": torch.zeros(4, 24)}), "do not fit"),
        (lambda w: w.clear(), "no LoRA"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_by_name(change, says):
    weights, model = lora_weights(), tiny_transformer()
    change(weights)
    with pytest.raises(InvalidInput, match=re.escape(says)):
        Lora(model, weights)
    assert not dict(model.named_buffers())


def test_the_model_stands_on_the_meta_device():
    assert all(p.is_meta for p in empty_transformer(SPATIA_5B).parameters())
