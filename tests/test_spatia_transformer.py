import numpy as np
import pytest
import torch
from diffusers import WanVACETransformer3DModel

from spatia_core.backends.spatia.rope import ExactTimesteps, SpatiaRotaryPosEmbed
from spatia_core.backends.spatia.transformer import SPATIA_5B, SpatiaTransformer3DModel
from spatia_core.errors import InvalidInput
from tests.tiny_spatia import TINY, tiny_transformer

CHANNELS, FRAMES, REFS = 48, 3, 2


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def call(model, frames: int = FRAMES, refs: int = 0, control: bool = True, **changes) -> torch.Tensor:
    """One call on fixed random inputs, with named ones changed."""
    total = frames + refs
    given = {
        "hidden_states": random(1, CHANNELS, total, 4, 6),
        "timestep": torch.full((1, total), 500.0),
        "encoder_hidden_states": random(1, 5, 32, seed=1),
        "control_hidden_states": random(1, 96, frames, 4, 6, seed=2) if control else None,
        "num_reference_frames": refs,
    }
    with torch.no_grad():
        return model(**given | changes).sample


def test_one_time_for_all_gives_what_diffusers_gives():
    ours = tiny_transformer()
    stock = WanVACETransformer3DModel(**TINY).eval()
    stock.load_state_dict(ours.state_dict(), strict=True)
    with torch.no_grad():
        theirs = stock(
            random(1, CHANNELS, FRAMES, 4, 6),
            torch.tensor([500.0]),
            random(1, 5, 32, seed=1),
            control_hidden_states=random(1, 96, FRAMES, 4, 6, seed=2),
        ).sample
    torch.testing.assert_close(call(ours), theirs, rtol=0, atol=1e-4)


def test_times_per_sample_frame_and_token_agree():
    model = tiny_transformer()
    frames = torch.tensor([[0.0, 0.0, 0.0, 700.0, 700.0]])
    by_frame = call(model, refs=REFS, timestep=frames)
    by_token = call(model, refs=REFS, timestep=frames.repeat_interleave(6, 1))
    torch.testing.assert_close(by_frame, by_token, rtol=0, atol=1e-6)
    same = [call(model, timestep=t) for t in (torch.tensor([500.0]), torch.tensor(500.0), torch.full((1, 3), 500.0))]
    torch.testing.assert_close(same[0], same[1], rtol=0, atol=0)
    torch.testing.assert_close(same[0], same[2], rtol=0, atol=1e-6)


def test_a_batch_gives_what_its_samples_give():
    model = tiny_transformer()
    x, t = random(2, CHANNELS, 5, 4, 6), torch.tensor([[0.0, 0, 0, 700, 700], [0, 0, 90, 90, 90]])
    text, control = random(2, 5, 32, seed=1), random(2, 96, 3, 4, 6, seed=2)
    both = model(x, t, text, control, num_reference_frames=REFS).sample
    for k in range(2):
        one = model(x[k, None], t[k, None], text[k, None], control[k, None], num_reference_frames=REFS).sample
        torch.testing.assert_close(both[k, None], one, rtol=0, atol=1e-5)


def test_references_stand_before_time_zero_and_one_picture_down():
    rope = SpatiaRotaryPosEmbed(24, (1, 2, 2))
    latents = torch.zeros(1, 1, 2 + 4, 4, 6)
    cos, sin = (t.view(6, 2, 3, 24) for t in rope(latents, num_reference_frames=2))
    time, rows = slice(0, 8), slice(8, 16)
    # the clip's frame 2 and the reference at time -2: equal cosines, opposite sines
    torch.testing.assert_close(cos[0, ..., time], cos[2 + 2, ..., time])
    torch.testing.assert_close(sin[0, ..., time], -sin[2 + 2, ..., time])
    row = torch.arange(2, 4, dtype=torch.float64)  # rows h, h + 1 at the first frequency, which is 1
    torch.testing.assert_close(cos[0, :, 0, rows.start], row.cos().float())
    torch.testing.assert_close(cos[2, :, 0, rows.start], (row - 2).cos().float())
    torch.testing.assert_close(cos[0, ..., 16:], cos[2, ..., 16:])


def test_the_order_of_references_matters_and_control_leaves_them_out():
    model = tiny_transformer()
    x = random(1, CHANNELS, FRAMES + REFS, 4, 6)
    swapped = torch.cat([x[:, :, 1:2], x[:, :, :1], x[:, :, 2:]], 2)
    a, b = call(model, refs=REFS, hidden_states=x), call(model, refs=REFS, hidden_states=swapped)
    assert (a[:, :, REFS:] - b[:, :, REFS:]).abs().max() > 1e-5
    # the first hint comes after the first block: with one block, references cannot have heard of it
    one = tiny_transformer(num_layers=1, vace_layers=[0])
    with_control, without = call(one, refs=REFS), call(one, refs=REFS, control=False)
    torch.testing.assert_close(with_control[:, :, :REFS], without[:, :, :REFS], rtol=0, atol=0)
    assert (with_control[:, :, REFS:] - without[:, :, REFS:]).abs().max() > 1e-4


def test_no_control_is_control_at_scale_zero_and_scales_may_differ_by_block():
    model = tiny_transformer()
    without = call(model, control=False)
    torch.testing.assert_close(call(model, control_scale=0.0), without, rtol=0, atol=0)
    torch.testing.assert_close(call(model, control_scale=torch.zeros(2)), without, rtol=0, atol=0)
    assert (call(model, control_scale=0.35) - call(model)).abs().max() > 1e-4
    torch.testing.assert_close(call(model, control_scale=torch.tensor([0.35, 0.35])), call(model, control_scale=0.35))


def test_checkpointing_changes_memory_and_no_gradient():
    gradients = []
    for checkpointed in (False, True):
        model = tiny_transformer().train()
        if checkpointed:
            model.enable_gradient_checkpointing()
        x = random(1, CHANNELS, FRAMES + REFS, 4, 6).requires_grad_()
        control = random(1, 96, FRAMES, 4, 6, seed=2)
        times = torch.full((1, FRAMES + REFS), 500.0)
        out = model(x, times, random(1, 5, 32, seed=1), control, num_reference_frames=REFS).sample
        out.square().mean().backward()
        gradients.append([p.grad for p in model.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert a is not None
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_attention_backends_of_diffusers_can_be_chosen():
    model = tiny_transformer()
    before = call(model, refs=REFS)
    model.set_attention_backend("_native_math")
    torch.testing.assert_close(call(model, refs=REFS), before, rtol=0, atol=1e-5)


def test_it_is_saved_and_loaded_by_diffusers(tmp_path):
    model = tiny_transformer()
    model.save_pretrained(tmp_path)
    loaded = SpatiaTransformer3DModel.from_pretrained(tmp_path, local_files_only=True)
    torch.testing.assert_close(call(loaded, refs=REFS), call(model, refs=REFS), rtol=0, atol=0)
    half = SpatiaTransformer3DModel.from_pretrained(tmp_path, local_files_only=True, dtype=torch.bfloat16)
    assert half.scale_shift_table.dtype == torch.float32
    x, text, control = (t.bfloat16() for t in inputs())
    rough = call(half, refs=REFS, hidden_states=x, encoder_hidden_states=text, control_hidden_states=control)
    assert (rough.float() - call(model, refs=REFS)).abs().max() < 0.1


def inputs() -> tuple[torch.Tensor, ...]:
    latents = random(1, CHANNELS, FRAMES + REFS, 4, 6)
    return latents, random(1, 5, 32, seed=1), random(1, 96, FRAMES, 4, 6, seed=2)


def test_the_full_model_has_the_published_size():
    with torch.device("meta"):
        model = SpatiaTransformer3DModel(**SPATIA_5B)
    sizes = {True: [], False: []}
    for name, parameter in model.named_parameters():
        sizes[name.startswith("vace_")].append(parameter.numel())
    assert (len(sizes[False]), sum(sizes[False])) == (825, 4_999_787_712)
    assert (len(sizes[True]), sum(sizes[True])) == (236, 1_395_398_656)
    assert not dict(model.named_buffers())


def test_a_call_on_the_meta_device_costs_nothing_and_keeps_the_shape():
    with torch.device("meta"):
        model = SpatiaTransformer3DModel(**SPATIA_5B | {"num_layers": 1, "vace_layers": [0]})
        x, text = torch.empty(1, 48, 2 + 3, 44, 78), torch.empty(1, 512, 4096)
        control = torch.empty(1, 96, 3, 44, 78)
        assert model(x, torch.empty(1, 5), text, control, 1.0, 2).sample.shape == x.shape


def test_times_become_sinusoids_without_losing_digits():
    got = ExactTimesteps(256)(torch.tensor([999.0, 0.0])).numpy()
    phase = 999 * 10000.0 ** (-np.arange(128) / 128)
    np.testing.assert_allclose(got[0], np.concatenate([np.cos(phase), np.sin(phase)]), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(got[1], [1] * 128 + [0] * 128)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"timestep": torch.zeros(1, 7)}, "timestep"),
        ({"num_reference_frames": FRAMES}, "no clip"),
        ({"control_hidden_states": random(1, 96, FRAMES + 1, 4, 6)}, "tokens"),
    ],
)
def test_what_does_not_fit_is_said(changes, says):
    with pytest.raises(InvalidInput, match=says):
        call(tiny_transformer(), **changes)
