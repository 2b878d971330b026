"""Generator `wan-vace`: Wan2.1 VACE, trained for inpainting, fills what the memory does not know."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import WanVACEPipeline
from PIL import Image as Pictures

from spatia_core.backends import generate_fitting as fitting
from spatia_core.backends import hub, memory_ladder
from spatia_core.backends.generate_pipeline import Holder, Setting, loaded, placed, read_prompts
from spatia_core.backends.memory_ladder import Job, Preset
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Progress, Rounds, silent
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.frames import Clip

MODELS = {
    "1.3b": (
        hub.Source("Wan-AI/Wan2.1-VACE-1.3B-diffusers", 19.0, fitting.INSTEAD),
        memory_ladder.WAN_VACE_1B,
    ),
    "14b": (hub.Source("Wan-AI/Wan2.1-VACE-14B-diffusers", 75.0, fitting.INSTEAD), memory_ladder.WAN_VACE_14B),
}
_GREY = 128
"""What holes show: zero for the network, as in its training."""
_TEXT = 512
"""Tokens of a prompt."""
NEGATIVE = (
    "blurry, low quality, compression artefacts, overexposed, distorted shapes, flicker, scene change, text, watermark"
)


@dataclass(eq=False)
class WanVaceGenerator:
    """VideoGenerator: projections as control video, holes as mask, references beside it, history as known frames."""

    name: ClassVar[str] = "wan-vace"
    reads_prompts: ClassVar[bool] = True

    weights: str | None = None
    """A local folder of a WanVACEPipeline, or a hub id; None = the published weights of `model`."""
    model: str = "1.3b"
    """1.3b or 14b."""
    device: str | None = None
    preset: str = "full"
    """full or turbo."""
    steps: int | None = None
    """None = what the preset and the settings say, whichever is less."""
    guidance: float | None = None
    """None = what the settings say."""
    negative: str = NEGATIVE
    imagine: bool = True
    """True leaves to the network what the memory itself invented; False shows it as known."""
    download: bool = True
    accept_non_commercial: bool = False
    rung: str | None = None
    """A rung of the memory ladder by name; None = the fastest that fits."""
    compiled: bool = False
    rounds: Rounds = field(init=False)
    _chosen: Preset = field(init=False)
    _holder: Holder = field(init=False)

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise InvalidInput(f"There is no VACE model {self.model!r}; choose one of {', '.join(MODELS)}.")
        self._chosen = memory_ladder.preset(self.preset)
        full = self._chosen.rounds
        self.rounds = Rounds(min(81, full.first), full.later, full.history)
        self._holder = Holder(Setting(self.device, self.rung, self.compiled), self._load)

    def _load(self, dtype: torch.dtype, progress: Progress) -> WanVACEPipeline:
        access = hub.Access(self.download, self.accept_non_commercial)
        folder = hub.model_folder(self.weights, MODELS[self.model][0], access, progress)
        progress(0.0, f"Loading {Path(folder).name}")
        return loaded(WanVACEPipeline, folder, dtype)

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """One frame per camera; what the memory knows is kept to, what it does not know is invented."""
        prompt, notes = fitting.checked_prompt(prompt)
        cameras = conditioning.cameras
        canvas = fitting.Canvas.of(cameras[0].width, cameras[0].height, 16, self._chosen.most_pixels)
        steps = self.steps or min(settings.steps, self._chosen.steps)
        guidance = self.guidance if self.guidance is not None else settings.guidance
        history = len(fitting.history_of(conditioning, self.rounds.history))
        length, count = fitting.strip_length(len(cameras), history), len(conditioning.references)
        job = Job(canvas.outer_width, canvas.outer_height, length, steps, count, guidance > 1)
        with fitting.in_turn(self._holder.lock, progress):
            figures = placed(self.weights, *MODELS[self.model])
            self._holder.ready(figures, job, lambda s, d: progress(0.1 * s, d))
            strip = fitting.strip_of(
                conditioning, canvas, self.rounds.history, lambda s, d: progress(0.1 + 0.1 * s, d), self.imagine
            )
            asked = _Asked(prompt, steps, guidance, fitting.noise_seed(settings.seed, settings.round_index))
            frames = self._run(strip, fitting.reference_pictures(conditioning, canvas), asked, progress)
        images = canvas.back(strip.trimmed(frames))
        notes = (*notes, *self._notes(canvas, steps, float(np.mean(~strip.known))))
        told = (settings.fps, self.name, settings.seed, prompt, notes)
        return Clip(images, cameras, *told, dynamic=strip.dynamic)

    def load_ahead(self, progress: Progress) -> None:
        """Reads the weights into main memory, for a GPU that is lent later."""
        self._holder.load_ahead(progress)

    def gpu_seconds(self, frames: int, width: int, height: int) -> int:
        """About how long one round of so many frames keeps a large GPU busy; ask for that much in advance."""
        canvas = fitting.Canvas.of(width, height, 16, self._chosen.most_pixels)
        size = (canvas.outer_width, canvas.outer_height)
        return memory_ladder.duration(frames, self.steps or self._chosen.steps, *size, MODELS[self.model][1])

    def _run(
        self, strip: fitting.Strip, references: list[np.ndarray], asked: "_Asked", progress: Progress
    ) -> np.ndarray:
        def stepped(pipe: Any, step: int, time: Any, values: dict[str, Any]) -> dict[str, Any]:
            progress(0.25 + 0.65 * (step + 1) / asked.steps, f"Denoising, step {step + 1} of {asked.steps}")
            return values

        progress(0.22, "Reading prompt and pictures")
        grey = np.where(strip.known[..., None], strip.images, np.uint8(_GREY))
        call = {
            "video": [Pictures.fromarray(i) for i in grey],
            "mask": [Pictures.fromarray(np.where(k, 0, 255).astype(np.uint8)) for k in strip.known],
            "reference_images": [Pictures.fromarray(r) for r in references] or None,
            "height": grey.shape[1],
            "width": grey.shape[2],
            "num_frames": len(strip),
            "num_inference_steps": asked.steps,
            "guidance_scale": asked.guidance,
            "generator": torch.Generator("cpu").manual_seed(asked.seed),
            "callback_on_step_end": stepped,
            "output_type": "np",
        }
        with self._holder.reading() as device:
            read = read_prompts(self._holder.pipe, [asked.prompt, self.negative], _TEXT, device)
        with self._holder.running() as pipe:
            frames = pipe(prompt_embeds=read[:1], negative_prompt_embeds=read[1:], **call).frames
        if not np.isfinite(frames).all():
            raise BackendUnavailable(
                "The network gave frames that are no pictures (NaN): its weights are damaged, or 16-bit numbers were "
                f"too small for them. Try the option rung=cpu, or fetch the weights again. {fitting.INSTEAD}"
            )
        return np.rint(np.clip(frames[0], 0, 1) * 255).astype(np.uint8)

    def _notes(self, canvas: fitting.Canvas, steps: int, invented: float) -> tuple[str, ...]:
        weights = self.weights or MODELS[self.model][0].repository
        licence = "" if Path(weights).exists() else f", licence {hub.licence_of(weights).name}"
        rung = self._holder.rung
        made = f"Made by Wan VACE ({Path(weights).name}{licence}) in {steps} steps; {invented:.0%} of the pixels were "
        notes = [made + f"unknown to the memory and invented. Memory rung: {rung.name if rung else 'none'}."]
        if canvas.resizes:
            notes.append(f"Generated at {canvas.inner_width}x{canvas.inner_height} and enlarged.")
        return tuple(notes)


@dataclass(frozen=True, slots=True)
class _Asked:
    prompt: str
    steps: int
    guidance: float
    seed: int
