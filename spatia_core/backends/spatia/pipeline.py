"""One round of Spatia: what is known goes in, a clip comes out."""

import html
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, DiffusionPipeline, UniPCMultistepScheduler
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from spatia_core.backends.spatia import latents as lat
from spatia_core.backends.spatia import sampler
from spatia_core.backends.spatia.lora import Lora
from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel
from spatia_core.backends.spatia.weights import load_transformer, read
from spatia_core.errors import InvalidInput

_log = logging.getLogger(__name__)

PROMPT_SUFFIX = " 4K, realistic, high quality, HDR."
"""What the published code adds to every prompt."""
NEGATIVE_PROMPT = (
    "cut to another scene, change of shot, fade to black, fade in, worst quality, low quality, JPEG artefacts, noise, "
    "blur, mosaic, missing detail, banner, watermark, text, signature, logo, ugly, deformed, disfigured, bad anatomy, "
    "extra limbs, missing limbs, fused fingers, badly drawn hands, badly drawn face, stiff expression, cluttered "
    "composition, incoherent parts, empty picture, wrong perspective, wrong proportions, warped objects, merged "
    "objects, objects passing through each other, floating objects, flat light, unnatural light, dull colours, odd "
    "colours, grey picture"
)
"""What a clip should not show, in our words; the published one is a Chinese text and may be given instead."""
OFFICIAL_NEGATIVE_SHA256 = "3a954016c6cc1503b60f6d8f637eab915e1cf2a5f484a972132eb6c20ff5755a"
"""SHA-256 of the published negative prompt in UTF-8, to tell whether a text is that one."""

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, eq=False, slots=True)
class PromptEmbeds:
    """A prompt as the transformer reads it."""

    positive: torch.Tensor
    """(1, words, d) what to show; padding is 0."""
    negative: torch.Tensor | None = None
    """(1, words, d) what not to show; None where no guidance is wanted."""


@dataclass(frozen=True, eq=False, slots=True)
class RoundInputs:
    """What a round is shown; all pictures uint8 of one size."""

    projection: np.ndarray | None = None
    """(F, h, w, 3) the memory rendered for every frame, history included; black where nothing is known."""
    holes: np.ndarray | None = None
    """(F, h, w) or (F, h, w, 3) 255 where nothing is known, 0 where the memory covers, or anything between."""
    first_frame: np.ndarray | None = None
    """(h, w, 3) the clip's first frame, in a first round."""
    history: np.ndarray | None = None
    """(4k + 1, h, w, 3) the film's last frames, in a later round; the clip begins with them."""
    references: np.ndarray | None = None
    """(R, h, w, 3) other pictures of the place, in any number."""


@dataclass(frozen=True, eq=False, slots=True)
class RoundSettings:
    """How a round is made."""

    num_frames: int | None = None
    """Frames of the clip, history included; needed only without a projection, else it must agree with it."""
    size: tuple[int, int] | None = None
    """(height, width), likewise."""
    steps: int = 40
    guidance: float = 3.5
    control_scale: float = 1.0
    """Share of the control branch's hints that is added."""
    seed: int = 20917
    round_index: int = 0
    reuse_noise: bool = False
    """True starts every round from the same noise, as the published code does."""
    lora: bool | None = None
    """Whether the LoRA is on; None = off in round 0 and on after it, as published."""
    solver: sampler.Solver = "unipc"
    shift: float = 5.0
    latents_dtype: torch.dtype = torch.float32
    """The published code keeps bfloat16 between steps; float32 loses less."""
    decode: bool = True
    """False leaves the frames out, when only latents are wanted."""


@dataclass(frozen=True, eq=False, slots=True)
class RoundOutput:
    """What a round made."""

    latents: torch.Tensor
    """(1, c, 1 + (F - 1) / 4, h / 16, w / 16) float32, history first; see `latents.joined` for a whole film."""
    frames: np.ndarray | None
    """(F, h, w, 3) uint8, history first; None when not decoded."""
    known: int
    """How many of the frames were given (history, or the first frame)."""


class SpatiaPipeline(DiffusionPipeline):
    """Spatia's components and one round of them; `from_pretrained` and `save_pretrained` as in diffusers."""

    model_cpu_offload_seq = "text_encoder->transformer->vae"
    _optional_components = ["text_encoder", "tokenizer"]  # noqa: RUF012 - diffusers' own attribute

    def __init__(
        self,
        vae: AutoencoderKLWan,
        transformer: SpatiaTransformer3DModel,
        text_encoder: UMT5EncoderModel | None,
        tokenizer: PreTrainedTokenizerBase | None,
        scheduler: UniPCMultistepScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae, transformer=transformer, text_encoder=text_encoder, tokenizer=tokenizer, scheduler=scheduler
        )
        self.lora: Lora | None = None

    def load_lora(self, place: Path, sha256: str | None = None) -> None:
        """Hangs a LoRA file on the transformer; rounds switch it on and off."""
        if self.lora is not None:
            self.lora.remove()
        self.lora = Lora(self.transformer, read(place, sha256), place.name)

    def release_text_encoder(self) -> None:
        """Drops the text encoder to free its memory; from then on prompts must come encoded."""
        self.register_modules(text_encoder=None)

    @torch.no_grad()
    def encode_prompt(
        self, prompt: str, negative: str | None = NEGATIVE_PROMPT, suffix: str = PROMPT_SUFFIX, max_length: int = 512
    ) -> PromptEmbeds:
        """The prompt with its suffix, and the negative prompt (None = no guidance), as embeddings."""
        return PromptEmbeds(
            self._embedded(f"{_cleaned(prompt)}{suffix}", max_length),
            None if negative is None else self._embedded(_cleaned(negative), max_length),
        )

    def _embedded(self, text: str, max_length: int) -> torch.Tensor:
        if self.text_encoder is None or self.tokenizer is None:
            raise InvalidInput("The text encoder is not loaded; give the prompt as PromptEmbeds made before.")
        words = self.tokenizer(text, padding="max_length", max_length=max_length, truncation=True, return_tensors="pt")
        device = self._execution_device
        ids, mask = words.input_ids.to(device), words.attention_mask.to(device)
        if bool(mask.all()):
            _log.info("The prompt fills all %d words; what lies beyond is not read.", max_length)
        states = self.text_encoder(ids, mask).last_hidden_state
        return states * mask[..., None].to(states.dtype)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | PromptEmbeds,
        inputs: RoundInputs,
        settings: RoundSettings | None = None,
        on_step: OnStep | None = None,
    ) -> RoundOutput:
        """The clip of one round.

        `on_step(done, steps)` is called after every step and may raise (Cancelled is let through). Equal inputs,
        settings and weights give equal bytes. Raises InvalidInput for frames not 4k + 1, sizes not multiples of 32,
        and pictures that do not fit together.
        """
        settings = settings or RoundSettings()
        size = checked(inputs, settings)
        embeds = prompt if isinstance(prompt, PromptEmbeds) else self._embeds(prompt, settings)
        if self.lora is not None:
            self.lora.enabled = settings.round_index > 0 if settings.lora is None else settings.lora
        try:
            latents = self._sampled(embeds, inputs, settings, size, on_step or (lambda done, steps: None))
            frames = lat.to_frames(lat.decode(self.vae, latents, self._execution_device)) if settings.decode else None
        finally:
            self.maybe_free_model_hooks()  # also when it was cancelled: offloaded parts leave the card
        given = 0 if inputs.history is None else len(inputs.history)
        return RoundOutput(latents.float(), frames, given + int(inputs.first_frame is not None))

    @torch.no_grad()
    def decode_film(self, rounds: Sequence[torch.Tensor], history: int = 3) -> np.ndarray:
        """(t, h, w, 3) uint8: all rounds' latents decoded as one film, later rounds without their history.

        `history` counts latent frames: 3 for 9 frames. Frames differ a little from those decoded round by round.
        """
        try:
            return lat.to_frames(lat.decode(self.vae, lat.joined(rounds, history), self._execution_device))
        finally:
            self.maybe_free_model_hooks()

    def _sampled(
        self,
        embeds: PromptEmbeds,
        inputs: RoundInputs,
        settings: RoundSettings,
        size: tuple[int, int, int],
        on_step: OnStep,
    ) -> torch.Tensor:
        device = self._execution_device
        known, references, control = self._encoded(inputs)
        frames, height, width = size
        ratio = self.vae.config["scale_factor_spatial"]
        shape = (1, self.vae.config["z_dim"], lat.latent_frames(frames), height // ratio, width // ratio)
        seed = sampler.round_seed(settings.seed, settings.round_index, settings.reuse_noise)
        noise = sampler.draw_noise(shape, seed).to(device, settings.latents_dtype)
        return sampler.sample(
            self._denoiser(embeds, control, settings, 0 if references is None else references.shape[2]),
            sampler.Start(noise, known, references),
            sampler.make_scheduler(settings.solver, settings.steps, settings.shift, device),
            on_step,
        )

    def _embeds(self, prompt: str, settings: RoundSettings) -> PromptEmbeds:
        return self.encode_prompt(prompt, NEGATIVE_PROMPT if settings.guidance != 1 else None)

    def _encoded(self, inputs: RoundInputs) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Latents of what the clip begins with, of the references, and the control branch's input."""
        device = self._execution_device
        start = inputs.history if inputs.first_frame is None else inputs.first_frame[None]
        known = None if start is None else lat.encode(self.vae, lat.signed(start), device)
        given = inputs.references
        references = None if given is None or not len(given) else lat.encode_references(self.vae, given, device)
        if inputs.projection is None and inputs.holes is None:
            return known, references, None
        return known, references, lat.encode_control(self.vae, inputs.projection, inputs.holes, device)

    def _denoiser(
        self, embeds: PromptEmbeds, control: torch.Tensor | None, settings: RoundSettings, references: int
    ) -> sampler.Denoiser:
        dtype, device = self.transformer.dtype, self._execution_device
        control = None if control is None else control.to(device, dtype)

        def read_with(text: torch.Tensor) -> sampler.Denoiser:
            text = text.to(device, dtype)

            def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
                return self.transformer(x.to(dtype), t, text, control, settings.control_scale, references).sample

            return velocity

        if settings.guidance == 1:
            return read_with(embeds.positive)
        if embeds.negative is None:
            raise InvalidInput("Guidance needs an encoded negative prompt too; encode one or set guidance to 1.")
        return sampler.guided(read_with(embeds.positive), read_with(embeds.negative), settings.guidance)


def _cleaned(text: str) -> str:
    """One line without HTML entities and double blanks."""
    return " ".join(html.unescape(html.unescape(text)).split())


def checked(inputs: RoundInputs, settings: RoundSettings) -> tuple[int, int, int]:
    """Frames, height and width of the round; raises InvalidInput where what was given does not fit together."""
    video = inputs.projection if inputs.projection is not None else inputs.holes
    if video is not None:
        frames, height, width = video.shape[:3]
    elif settings.num_frames is None or settings.size is None:
        raise InvalidInput("Without a projection the settings must say num_frames and size (height, width).")
    else:
        frames, (height, width) = settings.num_frames, settings.size
    if settings.num_frames not in (None, frames) or settings.size not in (None, (height, width)):
        raise InvalidInput(
            f"The projection has {frames} frames of {width}x{height}, the settings ask for "
            f"{settings.num_frames or frames} of {settings.size and settings.size[::-1]}."
        )
    lat.latent_frames(frames)
    lat.check_size(height, width)
    if inputs.first_frame is not None and inputs.history is not None:
        raise InvalidInput("A round begins with its first frame or with history, not with both.")
    if inputs.history is not None:
        lat.latent_frames(len(inputs.history))
        if len(inputs.history) >= frames:
            raise InvalidInput(f"{len(inputs.history)} frames of history leave nothing to make in {frames} frames.")
    pictures = {"projection": inputs.projection, "holes": inputs.holes, "history": inputs.history}
    if inputs.references is not None and len(inputs.references):
        pictures["references"] = inputs.references
    for name, shape in {
        **{name: p.shape[1:3] for name, p in pictures.items() if p is not None},
        **({} if inputs.first_frame is None else {"first frame": inputs.first_frame.shape[:2]}),
        **(
            {}
            if inputs.references is None or not len(inputs.references)
            else {"references": inputs.references.shape[1:3]}
        ),
    }.items():
        if tuple(shape) != (height, width):
            raise InvalidInput(f"The {name} must be {width}x{height} like the clip, got {shape[1]}x{shape[0]}.")
    return frames, height, width


def load_pipeline(
    base: Path, control: Path, lora: Path | None = None, dtype: torch.dtype = torch.bfloat16
) -> SpatiaPipeline:
    """The pipeline from a folder like Wan2.2-TI2V-5B-Diffusers and Spatia's own files; nothing is downloaded."""
    transformer = load_transformer(base / "transformer", control, dtype)
    pipe = SpatiaPipeline.from_pretrained(
        base, transformer=transformer, dtype=dtype, local_files_only=True, use_safetensors=True
    )
    if lora is not None:
        pipe.load_lora(lora)
    return pipe
