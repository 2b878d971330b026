"""Spatia's denoiser: Wan's video transformer with a control branch, reference frames and a time for every frame."""

import functools
from typing import Any

import torch
from diffusers import WanVACETransformer3DModel
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from diffusers.models.transformers.transformer_wan_vace import WanVACETransformerBlock
from torch import nn

from spatia_core.backends.spatia.rope import ExactTimesteps, SpatiaRotaryPosEmbed
from spatia_core.errors import InvalidInput

# a saved pipeline finds out how to load the class below through its base's name in this module
__all__ = ["SPATIA_5B", "ModelMixin", "SpatiaTransformer3DModel"]

SPATIA_5B: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 24,
    "attention_head_dim": 128,
    "in_channels": 48,
    "out_channels": 48,
    "text_dim": 4096,
    "freq_dim": 256,
    "ffn_dim": 14336,
    "num_layers": 30,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "rope_max_seq_len": 1024,
    "vace_layers": [0, 4, 8, 12, 16, 20, 24, 28],
    "vace_in_channels": 96,
}
"""The published model: 4,999,787,712 parameters and 1,395,398,656 in the control branch."""


def _modulated(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """x (b, tokens, d) scaled and shifted by values (b, groups, d), each shared by an equal share of the tokens."""
    grouped = x.unflatten(1, (scale.shape[1], -1))
    return (grouped * (1 + scale.unsqueeze(2)) + shift.unsqueeze(2)).flatten(1, 2)


def _gated(x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    return (x.unflatten(1, (gate.shape[1], -1)) * gate.unsqueeze(2)).flatten(1, 2)


def _block(
    block: Any, x: torch.Tensor, text: torch.Tensor, temb: torch.Tensor, rope: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """One transformer block with modulation vectors temb (b, groups, 6, d); a group is a frame or a token.

    Main and control blocks are built alike, so both run here. Modulation stays one vector per group: spelled out per
    token it would take gigabytes at the model's full size.
    """
    table = block.scale_shift_table.to(temb.device).unsqueeze(0) + temb.float()
    shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = table.unbind(2)
    normed = _modulated(block.norm1(x.float()), scale, shift).type_as(x)
    x = (x.float() + _gated(block.attn1(normed, None, None, rope).float(), gate)).type_as(x)
    normed = block.norm2(x.float()).type_as(x)
    x = x + block.attn2(normed, text, None, None)
    normed = _modulated(block.norm3(x.float()), ffn_scale, ffn_shift).type_as(x)
    return (x.float() + _gated(block.ffn(normed).float(), ffn_gate)).type_as(x)


class SpatiaTransformerBlock(WanTransformerBlock):
    """A main block whose modulation may differ from frame to frame."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Tokens (b, n, d) after the block; temb is (b, groups, 6, d)."""
        return _block(self, hidden_states, encoder_hidden_states, temb, rotary_emb)


class SpatiaControlBlock(WanVACETransformerBlock):
    """A control block whose modulation may differ from frame to frame."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        control_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The hint for the main tokens, and the control tokens for the next control block."""
        control = control_hidden_states
        if self.proj_in is not None:
            control = self.proj_in(control) + hidden_states
        control = _block(self, control, encoder_hidden_states, temb, rotary_emb)
        project: Any = self.proj_out
        return project(control), control


class SpatiaTransformer3DModel(WanVACETransformer3DModel):
    """Wan 2.2 TI2V with Spatia's control branch: the parameters, names and config of `WanVACETransformer3DModel`.

    What differs is `forward`: reference frames may stand before the clip, every latent frame (or token) may have its
    own timestep, and the control branch sees the clip only.
    """

    _no_split_modules = ["SpatiaTransformerBlock", "SpatiaControlBlock"]  # noqa: RUF012 - diffusers' own attribute
    _repeated_blocks = ["SpatiaTransformerBlock", "SpatiaControlBlock"]  # noqa: RUF012

    @functools.wraps(WanVACETransformer3DModel.__init__)  # the config's names are read off this signature
    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        own = self.config
        self.rope = SpatiaRotaryPosEmbed(own["attention_head_dim"], tuple(own["patch_size"]))
        self.condition_embedder.register_module("timesteps_proj", ExactTimesteps(own["freq_dim"]))
        # the same parameters under another forward; class names matter to offloading, sharding and compilation
        for block in self.blocks:
            block.__class__ = SpatiaTransformerBlock
        for block in self.vace_blocks:
            block.__class__ = SpatiaControlBlock

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        control_hidden_states: torch.Tensor | None = None,
        control_scale: float | torch.Tensor = 1.0,
        num_reference_frames: int = 0,
    ) -> Transformer2DModelOutput:
        """The velocity (noise - data) of [references | clip], the shape of `hidden_states`.

        hidden_states: (b, c, R + F, h, w) latents, `num_reference_frames` = R reference frames first.
        timestep: (b,), (b, R + F) one per latent frame or (b, tokens) one per token; 0 = clean.
        encoder_hidden_states: (b, words, text dim).
        control_hidden_states: (b, 96, F, h, w), for the clip only; None leaves the control branch out.
        control_scale: one number, or one per control block.
        """
        batch, _, frames, height, width = hidden_states.shape
        rope = self.rope(hidden_states, num_reference_frames)
        x = self.patch_embedding(hidden_states).flatten(2).transpose(1, 2).contiguous()
        timestep = timestep.to(x.device).expand(batch) if timestep.ndim == 0 else timestep.to(x.device)
        steps = timestep[:, None] if timestep.ndim == 1 else timestep
        self._check(x, steps, frames, num_reference_frames)
        temb, projected, text, _ = self.condition_embedder(
            steps.flatten(), encoder_hidden_states, timestep_seq_len=steps.shape[1]
        )
        projected = projected.unflatten(2, (6, -1))

        clip = x.shape[1] // frames * num_reference_frames  # the clip's first token
        clip_temb = projected[:, projected.shape[1] * num_reference_frames // frames :]
        clip_temb = projected if steps.shape[1] == 1 else clip_temb
        hints = {}
        if control_hidden_states is not None:
            clip_rope = (rope[0][:, clip:], rope[1][:, clip:])
            hints = self._hints(x[:, clip:], text, control_hidden_states, clip_temb, clip_rope)
        scales = torch.as_tensor(control_scale, dtype=x.dtype, device=x.device).expand(len(self.vace_blocks))
        for i, block in enumerate(self.blocks):
            x = self._run(block, x, text, projected, rope)
            if i in hints:
                hint = hints.pop(i).to(x.device) * scales[self.config["vace_layers"].index(i)]
                x = torch.cat([x[:, :clip], x[:, clip:] + hint], 1) if clip else x + hint
        return Transformer2DModelOutput(sample=self._head(x, temb, (frames, height, width)))

    def _check(self, x: torch.Tensor, steps: torch.Tensor, frames: int, references: int) -> None:
        if not 0 <= references < frames:
            raise InvalidInput(f"{references} reference frames leave no clip in {frames} latent frames.")
        if steps.shape[0] != x.shape[0] or steps.shape[1] not in (1, frames, x.shape[1]):
            raise InvalidInput(
                f"timestep has the shape {tuple(steps.shape)}; give one per sample, one per latent frame "
                f"({x.shape[0]}, {frames}) or one per token ({x.shape[0]}, {x.shape[1]})."
            )

    def _run(self, block: nn.Module, *args: Any) -> Any:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            checkpointed: Any = self._gradient_checkpointing_func
            return checkpointed(block, *args)
        return block(*args)

    def _hints(
        self,
        x: torch.Tensor,
        text: torch.Tensor,
        control: torch.Tensor,
        temb: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
    ) -> dict[int, torch.Tensor]:
        """What the control branch adds after each of its main layers; x are the clip's tokens before all blocks."""
        c = self.vace_patch_embedding(control).flatten(2).transpose(1, 2)
        if c.shape[1] > x.shape[1]:
            raise InvalidInput(f"The control has {c.shape[1]} tokens, the clip only {x.shape[1]}; sizes must agree.")
        c = nn.functional.pad(c, (0, 0, 0, x.shape[1] - c.shape[1]))
        hints = {}
        for layer, block in zip(self.config["vace_layers"], self.vace_blocks, strict=True):
            hints[layer], c = self._run(block, x, text, c, temb, rope)
        return hints

    def _head(self, x: torch.Tensor, temb: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
        """Tokens to latents (b, c, frames, h, w)."""
        shift, scale = (self.scale_shift_table.to(temb.device).unsqueeze(0) + temb.unsqueeze(2)).to(x.device).unbind(2)
        x = self.proj_out(_modulated(self.norm_out(x.float()), scale, shift).type_as(x))
        patch = self.config["patch_size"]
        grid = [n // p for n, p in zip(size, patch, strict=True)]
        x = x.unflatten(2, (*patch, -1)).unflatten(1, grid)  # b, f, h, w, pf, ph, pw, c
        return x.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
