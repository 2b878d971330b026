from benchmarks.spatia_cost import BEGIN, Preset, cost, section, step_flops, weight_bytes, write_section
from spatia_core.backends.spatia.weights import empty_transformer
from tests.tiny_spatia import TINY

PRESET = Preset(96, 64, 9, 2, 3)


def by_hand(preset: Preset) -> int:
    """Multiplications and additions of one call, from the architecture."""
    d = TINY["num_attention_heads"] * TINY["attention_head_dim"]
    ffn, words, text, time = TINY["ffn_dim"], 512, TINY["text_dim"], TINY["freq_dim"]
    row = (preset.width // 32) * (preset.height // 32)
    clip = row * (1 + (preset.frames - 1) // 4)
    whole = clip + row * preset.references
    frames = whole // row

    def block(n: int) -> int:
        own = 4 * n * d * d + 2 * n * n * d
        cross = 2 * n * d * d + 2 * words * d * d + 2 * n * words * d
        return own + cross + 2 * n * d * ffn

    total = whole * TINY["in_channels"] * 4 * d + clip * TINY["vace_in_channels"] * 4 * d
    total += frames * (time * d + d * d + 6 * d * d) + words * (text * d + d * d)
    total += TINY["num_layers"] * block(whole) + len(TINY["vace_layers"]) * (block(clip) + clip * d * d) + clip * d * d
    return 2 * (total + whole * d * 4 * TINY["out_channels"])


def test_counted_operations_are_those_of_the_architecture():
    assert step_flops(empty_transformer(TINY).eval(), PRESET) == by_hand(PRESET)


def test_tokens_and_bytes_are_counted():
    model = empty_transformer(TINY)
    counts = cost(model, PRESET)
    assert (counts["tokens"], counts["control_tokens"]) == (6 * 5, 6 * 3)
    assert counts["latent_bytes"] == 48 * 5 * 4 * 6 * 4
    assert counts["flops_per_round"] == 3 * counts["flops_per_step"] == 6 * counts["flops_per_call"]
    parameters = sum(p.numel() for p in model.parameters())
    assert 2 * parameters < weight_bytes(model) < 4 * parameters


def test_the_section_replaces_itself_and_leaves_the_rest(tmp_path):
    figures = {"parameters": {"main": 1, "control": 2}, "weight_bytes": 6, "presets": {}}
    figures["presets"] = {"tiny": cost(empty_transformer(TINY), PRESET)}
    path = tmp_path / "results.md"
    path.write_text("# Results\n\nBefore.\n")
    write_section(path, section(figures))
    once = path.read_text()
    path.write_text(once + "\nAfter.\n")
    write_section(path, section(figures))
    twice = path.read_text()
    assert twice == once + "\nAfter.\n"
    assert twice.count(BEGIN) == 1
    assert "not measured yet" in twice
