"""A diffusers pipeline as a backend: loaded when first needed, on the rung of the memory ladder that fits the job."""

import gc
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from spatia_core.backends import hub, memory_ladder
from spatia_core.backends.generate_fitting import INSTEAD, memory_advice
from spatia_core.backends.memory_ladder import Job, Machine, Model, Rung
from spatia_core.backends.model_files import check_safetensors, read_json
from spatia_core.backends.protocols import Progress
from spatia_core.errors import BackendUnavailable, InvalidInput


@dataclass(frozen=True, slots=True)
class Setting:
    """How a pipeline is to be run."""

    device: str | None = None
    """cuda, cuda:1, cpu; None = a GPU where there is one."""
    rung: str | None = None
    """A rung of the memory ladder by name; None = the fastest that fits."""
    compiled: bool = False
    """torch.compile the transformer where all of it stays on the GPU."""

    @property
    def chosen_device(self) -> str:
        """The device by name."""
        if self.device is not None and self.device.startswith("cuda") and not torch.cuda.is_available():
            raise BackendUnavailable(
                f"The device {self.device!r} was asked for and this machine has no CUDA GPU. Choose cpu, or leave the "
                "option out."
            )
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")


Load = Callable[[torch.dtype, Progress], Any]
"""Makes the pipeline on the CPU in a dtype."""


@dataclass
class Holder:
    """A pipeline and the rung it stands on; one user at a time (hold `lock`)."""

    setting: Setting
    load: Load
    lock: threading.Lock = field(default_factory=threading.Lock)
    pipe: Any = None
    rung: Rung | None = None
    _machine: Machine | None = None
    _ahead: Any = None

    def load_ahead(self, progress: Progress) -> None:
        """The weights are read into main memory, as a GPU will want them, before one is there."""
        with self.lock:
            if self.pipe is None and self._ahead is None:
                self._ahead = self.load(torch.bfloat16, progress)

    def ready(self, model: Model, job: Job, progress: Progress) -> Any:
        """The pipeline on the rung that this job needs; raises BackendUnavailable before loading when none fits."""
        device = self.setting.chosen_device
        machine = self._machine or memory_ladder.this_machine(device)
        rung = chosen_rung(model, job, machine, self.setting.rung)
        if self.pipe is None or self.rung is None or rung.name != self.rung.name:
            self.drop()
            progress(0.0, rung.says)
            pipe, self._ahead = (None if rung.name == "cpu" else self._ahead), None
            if pipe is None:
                pipe = self.load(torch.float32 if rung.name == "cpu" else torch.bfloat16, progress)
            pipe.set_progress_bar_config(disable=True)
            with memory_advice(model.name, advice(rung), self.drop):
                self.pipe = memory_ladder.apply(pipe, rung, device, self.setting.compiled)
        self.rung, self._machine = rung, machine
        return self.pipe

    def drop(self) -> None:
        """The pipeline is given up and its memory freed."""
        self.pipe, self.rung = None, None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @contextmanager
    def reading(self) -> Iterator[torch.device]:
        """The device on which the text encoder reads, the encoder on it; it leaves the GPU again where it should."""
        leaves = self.rung is not None and self.rung.name == "text-first"
        if leaves:
            self.pipe.text_encoder.to(self.setting.chosen_device)
        try:
            yield torch.device(self.setting.chosen_device if leaves else self.pipe._execution_device)
        finally:
            if leaves:
                self.pipe.text_encoder.to("cpu")

    @contextmanager
    def running(self) -> Iterator[Any]:
        """The pipeline, to be called with prompts that were read before; a full memory becomes a sentence.

        A text encoder that has left the GPU is hidden: the pipeline would take the encoder's device for its own.
        """
        pipe, rung = self.pipe, self.rung
        assert rung is not None
        encoder, hidden = pipe.text_encoder, rung.name == "text-first"
        with memory_advice("The generator", advice(rung), self.drop):
            try:
                if hidden:
                    pipe.text_encoder = None
                yield pipe
            finally:
                pipe.text_encoder = encoder
                pipe.maybe_free_model_hooks()


def read_prompts(pipe: Any, prompts: list[str], length: int, device: torch.device) -> torch.Tensor:
    """(n, length, d) what the text encoder makes of the prompts; places after a prompt's end are zero, as in training.

    diffusers' own reading needs a further package for repairing broken encodings; prompts are clean by now.
    """
    inputs = pipe.tokenizer(
        prompts,
        padding="max_length",
        max_length=length,
        truncation=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        mask = inputs.attention_mask.to(device)
        states = pipe.text_encoder(inputs.input_ids.to(device), mask).last_hidden_state
        return states * mask[..., None].to(states.dtype)


def chosen_rung(model: Model, job: Job, machine: Machine, name: str | None) -> Rung:
    """The rung asked for by name, or the fastest that fits."""
    if name is None:
        return memory_ladder.choose(model, job, machine, INSTEAD)
    ladder = {r.name: r for r in memory_ladder.climb(model, job, machine)}
    if name not in ladder:
        raise InvalidInput(f"There is no rung {name!r} on the memory ladder; choose one of {', '.join(ladder)}.")
    return ladder[name]


def advice(rung: Rung) -> str:
    """What to do when the memory was too small all the same."""
    return (
        f"It stood on the rung {rung.name!r} (estimated {rung.needs / 1e9:.1f} GB). Set the option rung to a later one "
        "(tiled, fp8, layerwise), use the preset turbo, a smaller size or fewer frames, or close other programs."
    )


def measured(folder: Path, like: Model, more: int = 0) -> Model:
    """The figures of a pipeline on disk, from its headers and settings, without loading it.

    `more` parameters of the transformer lie elsewhere.
    """
    counts = {name: parameters(folder / name) for name in ("transformer", "text_encoder", "vae")}
    counts["transformer"] += more if counts["transformer"] else 0
    out = replace(like, **{name: n for name, n in counts.items() if n})
    config = folder / "transformer" / "config.json"
    if config.is_file():
        c = read_json(config)
        try:
            width = int(c["num_attention_heads"]) * int(c["attention_head_dim"])
            out = replace(out, width=width, layers=int(c["num_layers"]) + len(c.get("vace_layers") or ()))
        except (KeyError, TypeError, ValueError) as e:
            raise BackendUnavailable(f"{config} is not the settings of such a transformer: {e!r}.") from e
    return out


def parameters(folder: Path) -> int:
    """How many numbers the safetensors files of a folder hold."""
    return sum(parameters_of(check_safetensors(file)) for file in folder.glob("*.safetensors"))


def parameters_of(header: dict[str, Any]) -> int:
    """How many numbers the tensors of a safetensors header have."""
    return sum(math.prod(tensor["shape"]) for tensor in header.values())


def loaded(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A pipeline from its folder, safetensors only; raises BackendUnavailable with the folder named."""
    try:
        return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as e:
        lines = str(e).strip().splitlines()
        raise BackendUnavailable(
            f"{folder} cannot be used as a {kind.__name__} folder: {lines[0] if lines else type(e).__name__} {INSTEAD}"
        ) from e


def placed(weights: str | None, source: hub.Source, model: Model) -> Model:
    """The figures to judge the machine by before anything is fetched: measured where the weights are local."""
    if weights is None or hub.is_repository(weights):
        return model
    folder = Path(weights)
    if not folder.is_dir():
        hub.model_folder(weights, source)  # says what is wrong
    return measured(folder, model)
