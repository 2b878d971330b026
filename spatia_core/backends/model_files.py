"""Whether a model folder is whole, unaltered and free of pickles: told before anything is loaded."""

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

from spatia_core.backends.downloads import cache_folder
from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import BackendUnavailable

SUMS = "SHA256SUMS"
"""A file of checksums, as `sha256sum` writes it, kept to in the folder that it lies in."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Endings of files that can carry code."""
_LONGEST_HEADER = 100_000_000
_SHA = re.compile(r"[0-9a-f]{64}")


def check_folder(folder: Path, progress: Progress = silent) -> None:
    """Nothing when every weight file is whole and nothing is missing; raises BackendUnavailable naming the file.

    Checked are the length and header of each safetensors file, the parts that an index lists, the components that a
    model_index.json lists, and SHA-256 where it is known: from a file SHA256SUMS in the folder, or from the hub's
    cache, which names files by it. A file once hashed is hashed again only when it has changed.
    """
    weights = sorted(p for p in folder.rglob("*.safetensors") if p.exists() or p.is_symlink())
    pickled = sorted(p for p in folder.rglob("*") if p.suffix in PICKLES)
    if not weights:
        if pickled:
            raise BackendUnavailable(
                f"{folder} holds only pickled weights ({pickled[0].name}). Pickles can run code and are never loaded; "
                "get or convert the weights as .safetensors."
            )
        raise BackendUnavailable(f"{folder} holds no .safetensors weights; is it the folder of a model?")
    known = {path: sha for sums in folder.rglob(SUMS) for path, sha in _sums(sums).items()}
    for number, file in enumerate(weights):
        check_safetensors(file)
        blob = file.resolve().name
        sha = known.get(file) or (blob if _SHA.fullmatch(blob) else None)
        if sha is not None:
            progress(number / len(weights), f"Checking {file.name}")
            check_sha256(file, sha)
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        parts = set(read_json(index).get("weight_map", {}).values())
        missing = sorted(p for p in parts if not (index.parent / p).exists())
        if missing:
            raise BackendUnavailable(
                f"{index.parent} lacks {missing[0]}, which {index.name} lists: the download is incomplete. Fetch it "
                "again (what has arrived is kept)."
            )
    if (folder / "model_index.json").is_file():
        _components(folder)


def _components(folder: Path) -> None:
    for name, made_of in read_json(folder / "model_index.json").items():
        if name.startswith("_") or not isinstance(made_of, list) or made_of[-1] is None:
            continue
        part = folder / name
        if not part.is_dir() or not any(part.iterdir()):
            raise BackendUnavailable(
                f"{folder} lacks the folder {name!r}, which model_index.json lists: the download is incomplete."
            )
        if (part / "config.json").is_file() and not any(part.glob("*.safetensors")):
            pickled = [p.name for p in part.iterdir() if p.suffix in PICKLES]
            why = f"only pickled ones ({pickled[0]}), which are never loaded" if pickled else "the download is cut off"
            raise BackendUnavailable(f"{part} holds no .safetensors weights: {why}.")


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; raises BackendUnavailable when it is damaged."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise BackendUnavailable(f"{file} cannot be read ({e}): the file is damaged or half downloaded.") from e
    if not isinstance(found, dict):
        raise BackendUnavailable(f"{file} holds no JSON object: the file is damaged.")
    return found


def check_safetensors(file: Path) -> dict[str, Any]:
    """The header (tensors by name) of a safetensors file whose length is exactly what the header says."""
    try:
        with file.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            if length > _LONGEST_HEADER:
                raise ValueError("its header is not that of a safetensors file")
            header = json.loads(stream.read(length))
        tensors = {k: v for k, v in header.items() if k != "__metadata__"}
        end = max((v["data_offsets"][1] for v in tensors.values()), default=0)
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as e:
        raise BackendUnavailable(
            f"{file} is no whole safetensors file ({e}): it is half downloaded, damaged, or a pickle under another "
            "name. Fetch it again."
        ) from e
    size, expected = file.stat().st_size, 8 + length + end
    if size != expected:
        raise BackendUnavailable(
            f"{file} has {size} bytes, its header asks for {expected}: the download is incomplete or the file damaged. "
            "Fetch it again."
        )
    return tensors


def _sums(file: Path) -> dict[Path, str]:
    lines = (line.split(maxsplit=1) for line in file.read_text("utf-8").splitlines() if line.strip())
    return {file.parent / name.strip().lstrip("*").removeprefix("./"): sha.lower() for sha, name in lines}


def check_sha256(file: Path, expected: str) -> None:
    """Nothing when the file has this SHA-256; a file that has not changed since it was hashed is not hashed again."""
    real = file.resolve()
    now = [expected, real.stat().st_size, real.stat().st_mtime_ns]
    stamp = cache_folder() / "verified" / f"{hashlib.sha256(str(real).encode()).hexdigest()}.json"
    try:
        if json.loads(stamp.read_text()) == now:
            return
    except (OSError, ValueError):
        pass  # never hashed here
    with real.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise BackendUnavailable(
            f"{file} is damaged or was altered: its SHA-256 is {found}, expected {expected}. Fetch it again."
        )
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps(now))
    except OSError:
        pass  # it is only hashed once more next time
