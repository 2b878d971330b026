"""Every number of a training run."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from spatia_core.backends.spatia.latents import latent_frames
from spatia_core.errors import InvalidInput

Stage = Literal["control", "lora", "all"]

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")
"""Linear layers of a main block that stage two adapts; the paper does not name them (this is the usual set)."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The paper's values are the defaults where it gives them (specification, section 11)."""

    stage: Stage = "control"
    """control: control blocks only; lora: adapters on the main blocks, control frozen; all: everything."""
    iterations: int = 8000
    """8,000 for control, 5,000 for lora."""
    lr: float = 1e-5
    """1e-5 for control, 1e-4 for lora."""
    batch: int = 1
    """Per process; the paper has 64 in all."""
    accumulate: int = 1
    """Steps whose gradients are added up."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    warmup: int = 100
    """Iterations until the learning rate is reached; not given in the paper."""
    cosine: bool = False
    """The learning rate falls to 2 % by the end."""
    ema: float = 0.0
    """Share of the running average kept at every step; 0 = none."""

    size: tuple[int, int] = (1248, 704)
    """(width, height)."""
    frames: int = 81
    """Of a clip, preceding frames included; 4k + 1."""
    history: int = 9
    """Preceding frames; 4k + 1, 1 = the clip starts from one picture."""
    references: int = 7

    logit_mean: float = 0.0
    logit_std: float = 1.0
    """The time is drawn logit-normally."""
    shift: float = 5.0
    """And moved towards noise as the sampler moves it."""
    history_noise: int = 50
    """Preceding latents get noise of a time drawn up to this, of 1000."""
    drop_text: float = 0.1
    drop_projection: float = 0.0
    drop_references: float = 0.0
    """How often a condition is left out; 0.5 and 0.5 train all four arms of the ablation in one model."""

    lora_rank: int = 64
    lora_targets: tuple[str, ...] = LORA_TARGETS
    reprojection: float = 0.0
    """Weight of the point re-projection loss."""
    pose: float = 0.0
    """Weight of the camera-pose consistency loss."""

    seed: int = 0
    save_every: int = 500
    mixed_precision: Literal["no", "bf16"] = "no"
    checkpointing: bool = False
    """Recompute activations in the backward pass."""

    def __post_init__(self) -> None:
        latent_frames(self.frames)
        latent_frames(self.history)
        if self.history >= self.frames:
            raise InvalidInput(f"{self.history} preceding frames leave nothing to learn in a clip of {self.frames}.")
        if self.stage not in ("control", "lora", "all"):
            raise InvalidInput(f"There is no stage called {self.stage!r}; choose control, lora or all.")
        for name in ("drop_text", "drop_projection", "drop_references", "ema"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is a share between 0 and 1, got {getattr(self, name)}.")

    @property
    def history_latents(self) -> int:
        """Latent frames that precede."""
        return latent_frames(self.history)

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint's config.json."""
        return asdict(self)
