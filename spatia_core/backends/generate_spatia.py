"""Generator `spatia`: Spatia's own network, shown nothing but the edited memory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from spatia_core.backends import generate_fitting as fitting
from spatia_core.backends import hub, memory_ladder
from spatia_core.backends.generate_pipeline import Holder, Setting, loaded, measured, parameters_of
from spatia_core.backends.memory_ladder import Job, Model, Preset
from spatia_core.backends.model_files import check_safetensors, read_json
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Progress, Rounds, silent
from spatia_core.backends.spatia.pipeline import (
    NEGATIVE_PROMPT,
    PROMPT_SUFFIX,
    RoundInputs,
    RoundSettings,
    SpatiaPipeline,
    load_pipeline,
)
from spatia_core.backends.spatia.weights import CONTROL_NAMES, LORA_NAMES
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.frames import Clip
from spatia_core.render.official import render_published

BASE = hub.Source("Wan-AI/Wan2.2-TI2V-5B-Diffusers", 34.0, fitting.INSTEAD)
SPATIA = hub.Source("Jinjing713/Spatia", 3.5, fitting.INSTEAD, only=("*.safetensors",))


@dataclass(eq=False)
class SpatiaGenerator:
    """VideoGenerator: projection and holes steer it, references and history remind it, the prompt moves it."""

    name: ClassVar[str] = "spatia"
    reads_prompts: ClassVar[bool] = True

    weights: str | None = None
    """A folder with a saved SpatiaPipeline or with Spatia's official files, or a hub id; None = the published ones."""
    base: str | None = None
    """Folder or hub id of the base model in diffusers' layout; None = beside the official files, else the hub's."""
    device: str | None = None
    preset: str = "full"
    """full or turbo."""
    steps: int | None = None
    """None = what the preset and the settings say, whichever is less."""
    guidance: float | None = None
    """None = what the settings say; 1 = no guidance, in half the time."""
    references: int = 7
    """Most reference pictures shown."""
    control_scale: float = 1.0
    prompt_suffix: str = PROMPT_SUFFIX
    """Added to every prompt."""
    negative: str = NEGATIVE_PROMPT
    imagine: bool = True
    """True leaves to the network what the memory itself invented; False shows it as known."""
    reuse_noise: bool = False
    """True starts every round from the same noise, as the published code does."""
    official_renderer: bool = False
    """True draws the projection as the published code does."""
    download: bool = True
    accept_non_commercial: bool = False
    rung: str | None = None
    """A rung of the memory ladder by name; None = the fastest that fits."""
    compiled: bool = False
    rounds: Rounds = field(init=False)
    _chosen: Preset = field(init=False)
    _holder: Holder = field(init=False)

    def __post_init__(self) -> None:
        self._chosen = memory_ladder.preset(self.preset)
        self.rounds = self._chosen.rounds
        if not 0 <= self.references <= 32:
            raise InvalidInput(f"Spatia takes 0 to 32 reference pictures, not {self.references}; 7 is what it learnt.")
        self._holder = Holder(Setting(self.device, self.rung, self.compiled), self._load)

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """One frame per camera; everything the network is fed is rendered from the edited memory."""
        prompt, notes = fitting.checked_prompt(prompt)
        camera = conditioning.cameras[0]
        canvas = fitting.Canvas.of(camera.width, camera.height, 32, self._chosen.most_pixels)
        wanted = self._settings(settings, bool(conditioning.history))
        history = len(fitting.history_of(conditioning, self.rounds.history))
        shown = min(self.references, len(conditioning.references))
        length = fitting.strip_length(len(conditioning.cameras), history)
        job = Job(canvas.outer_width, canvas.outer_height, length, wanted.steps, shown, wanted.guidance != 1)
        with fitting.in_turn(self._holder.lock, progress):
            self._holder.ready(self._figures(), job, lambda s, d: progress(0.1 * s, d))
            inputs, strip = self._inputs(conditioning, canvas, lambda s, d: progress(0.1 + 0.1 * s, d))
            frames = self._run(prompt, inputs, wanted, progress)
        images = canvas.back(strip.trimmed(frames))
        notes = (*notes, *self._notes(canvas, wanted, inputs, strip))
        told = (settings.fps, self.name, settings.seed, prompt, notes)
        return Clip(images, conditioning.cameras, *told, dynamic=strip.dynamic)

    def load_ahead(self, progress: Progress) -> None:
        """Reads the weights into main memory, for a GPU that is lent later."""
        self._holder.load_ahead(progress)

    def gpu_seconds(self, frames: int, width: int, height: int) -> int:
        """About how long one round of so many frames keeps a large GPU busy; ask for that much in advance."""
        canvas = fitting.Canvas.of(width, height, 32, self._chosen.most_pixels)
        steps = self.steps or self._chosen.steps
        return memory_ladder.duration(frames, steps, canvas.outer_width, canvas.outer_height)

    def _settings(self, settings: GenerationSettings, later: bool) -> RoundSettings:
        return RoundSettings(
            steps=self.steps or min(settings.steps, self._chosen.steps),
            guidance=self.guidance if self.guidance is not None else settings.guidance,
            control_scale=self.control_scale,
            seed=settings.seed,
            round_index=settings.round_index,
            reuse_noise=self.reuse_noise,
            lora=later,  # trained to go on from history: off in a first round, on after it
        )

    def _inputs(
        self, conditioning: Conditioning, canvas: fitting.Canvas, progress: Progress
    ) -> tuple[RoundInputs, fitting.Strip]:
        strip = fitting.strip_of(conditioning, canvas, self.rounds.history, progress, self.imagine)
        projection, holes = strip.images, np.where(strip.known, 0, 255).astype(np.uint8)
        if self.official_renderer:
            projection, holes = published(conditioning, canvas, strip, self.imagine)
        history = [fitting.filled(v, canvas) for v in fitting.history_of(conditioning, self.rounds.history)]
        references = fitting.reference_pictures(conditioning, canvas, self.references)
        first = None
        if not history:
            first = strip.first
        inputs = RoundInputs(
            projection,
            holes,
            first,
            np.stack(history) if history else None,
            np.stack(references) if references else None,
        )
        return inputs, strip

    def _run(self, prompt: str, inputs: RoundInputs, settings: RoundSettings, progress: Progress) -> np.ndarray:
        def stepped(done: int, steps: int) -> None:
            progress(0.25 + 0.65 * done / steps, f"Denoising, step {done} of {steps}")

        progress(0.22, "Reading prompt and pictures")
        with self._holder.reading():
            negative = self.negative if settings.guidance != 1 else None
            read = self._holder.pipe.encode_prompt(prompt, negative, self.prompt_suffix)
        with self._holder.running() as pipe:
            out = pipe(read, inputs, settings, stepped)
        if out.frames is None or not bool(torch.isfinite(out.latents).all()):
            raise BackendUnavailable(
                "The network gave frames that are no pictures (NaN): its weights are damaged, or 16-bit numbers were "
                f"too small for them. Try the option rung=cpu, or fetch the weights again. {fitting.INSTEAD}"
            )
        return out.frames

    def _notes(
        self, canvas: fitting.Canvas, settings: RoundSettings, inputs: RoundInputs, strip: fitting.Strip
    ) -> tuple[str, ...]:
        where = self.weights or SPATIA.repository
        licence = "" if Path(where).exists() else f", licence {hub.licence_of(where).name}"
        rung, shown = self._holder.rung, 0 if inputs.references is None else len(inputs.references)
        lora = self._holder.pipe.lora
        notes = [
            f"Made by Spatia ({Path(where).name}{licence}) in {settings.steps} steps, preset {self.preset}, memory "
            f"rung {rung.name if rung else 'none'}; shown {shown} references and {strip.history} frames of history; "
            f"LoRA {'missing' if lora is None else 'on' if settings.lora else 'off'}; "
            f"{np.mean(~strip.known):.0%} of the pixels were unknown to the memory."
        ]
        if canvas.resizes:
            notes.append(f"Generated at {canvas.inner_width}x{canvas.inner_height} and enlarged.")
        return tuple(notes)

    # --- weights -------------------------------------------------------------------------------------------------

    def _load(self, dtype: torch.dtype, progress: Progress) -> SpatiaPipeline:
        access = hub.Access(self.download, self.accept_non_commercial)
        folder = hub.model_folder(self.weights, SPATIA, access, progress)
        if _is_saved_pipeline(folder):
            progress(0.0, f"Loading {folder.name}")
            pipe = loaded(SpatiaPipeline, folder, dtype)
            lora = _one_of(folder, LORA_NAMES)
            if lora is not None:
                pipe.load_lora(lora)
            return pipe
        base = self.base or (str(folder) if (folder / "model_index.json").is_file() else None)
        base_folder = hub.model_folder(base, BASE, access, progress)
        progress(0.0, f"Loading {base_folder.name} and Spatia's control branch")
        return load_pipeline(base_folder, _control(folder), _one_of(folder, LORA_NAMES), dtype)

    def _figures(self) -> Model:
        """What the memory ladder must know, measured where the weights are on this machine."""
        like = memory_ladder.SPATIA_5B
        if self.weights is None or hub.is_repository(self.weights):
            return like
        folder = hub.model_folder(self.weights, SPATIA)
        if _is_saved_pipeline(folder):
            return measured(folder, like)
        base = self.base or (str(folder) if (folder / "model_index.json").is_file() else None)
        if base is None or hub.is_repository(base):
            return like
        return measured(Path(base), like, more=parameters_of(check_safetensors(_control(folder))))


def _is_saved_pipeline(folder: Path) -> bool:
    index = folder / "model_index.json"
    return index.is_file() and read_json(index).get("_class_name") == SpatiaPipeline.__name__


def _one_of(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _control(folder: Path) -> Path:
    found = _one_of(folder, CONTROL_NAMES)
    if found is None:
        raise BackendUnavailable(
            f"{folder} holds neither a saved SpatiaPipeline nor Spatia's control file, which is called "
            f"{' or '.join(CONTROL_NAMES)}. {fitting.INSTEAD}"
        )
    return found


def published(
    conditioning: Conditioning, canvas: fitting.Canvas, strip: fitting.Strip, imagine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Projection and holes drawn as the published code draws them, history included."""
    cloud: Any = getattr(conditioning.projections, "cloud", None)
    if cloud is None:
        raise InvalidInput(
            "The official renderer needs projections that hold the memory's cloud; leave the option out."
        )
    if imagine and conditioning.invented is not None:
        cloud = cloud[~conditioning.invented]
    projection, holes = strip.images.copy(), np.zeros(strip.known.shape, np.uint8)
    first = len(conditioning.history) - strip.history
    cameras = [*(v.camera for v in conditioning.history[first:]), *conditioning.cameras]
    for i, camera in enumerate(cameras):
        drawn = render_published(cloud, camera.resized(canvas.width, canvas.height))
        projection[i], holes[i] = canvas.fit(drawn.rgb), canvas.fit_grey(drawn.holes)
        if strip.dynamic is not None and i >= strip.history:
            moving = canvas.fit_mask(strip.dynamic[i - strip.history])
            projection[i][moving], holes[i][moving] = strip.images[i][moving], 0
    projection[len(cameras) :], holes[len(cameras) :] = projection[len(cameras) - 1], holes[len(cameras) - 1]
    return projection, holes
