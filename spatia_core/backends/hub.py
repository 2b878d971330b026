"""Model folders: a local one as it stands, or one from the Hugging Face hub; safetensors only, whole and unaltered."""

import fnmatch
import logging
import os
import re
import shutil
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

from spatia_core.backends.downloads import cache_folder, download
from spatia_core.backends.model_files import SUMS, check_folder, check_sha256
from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import BackendUnavailable, Cancelled

_log = logging.getLogger(__name__)
_GB = 1e9
SAFE = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""What is fetched: weights without code in them, settings, tokenizers. Never a pickle (.bin, .pt, .pth, .ckpt)."""
_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which conditions weights may be used."""

    name: str
    url: str
    """Where it can be read."""
    non_commercial: bool = False
    """True when it forbids commercial use, or when it is not known."""


def _card(repository: str) -> str:
    return f"https://huggingface.co/{repository}"


def _apache(repository: str) -> Licence:
    return Licence("Apache-2.0", _card(repository))


def _non_commercial(repository: str) -> Licence:
    return Licence("CC-BY-NC-4.0", _card(repository), non_commercial=True)


LICENCES: dict[str, Licence] = {
    **{
        r: _apache(r)
        for r in (
            "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
            "Wan-AI/Wan2.1-VACE-14B-diffusers",
            "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
            "facebook/map-anything-apache",
            "facebook/map-anything-apache-v1",
            "depth-anything/Depth-Anything-V2-Small-hf",
            *(f"facebook/sam2.1-hiera-{size}" for size in ("tiny", "small", "base-plus", "large")),
        )
    },
    **{
        r: _non_commercial(r)
        for r in (
            "facebook/map-anything",
            "facebook/map-anything-v1",
            "depth-anything/Depth-Anything-V2-Base-hf",
            "depth-anything/Depth-Anything-V2-Large-hf",
        )
    },
    "Jinjing713/Spatia": Licence("CC-BY-SA-4.0", _card("Jinjing713/Spatia")),
}
"""Licences of weights as their model cards state them."""


def licence_of(repository: str) -> Licence:
    """The licence of a repository; one that is not known here counts as non-commercial until a person has read it."""
    return LICENCES.get(repository, Licence("not known here", _card(repository), non_commercial=True))


@dataclass(frozen=True, slots=True)
class Source:
    """Weights on the hub and what a person should know before they are fetched."""

    repository: str
    """owner/name."""
    gigabytes: float
    """About how much is fetched; the hub tells exactly."""
    instead: str
    """What works without it, one sentence."""
    only: tuple[str, ...] = ("*",)
    """Which of the repository's files are needed, as patterns."""
    revision: str | None = None
    """A commit or tag; None = the newest."""

    @property
    def licence(self) -> Licence:
        """What the model card states."""
        return licence_of(self.repository)

    def wants(self, name: str) -> bool:
        """True for a file of the repository that is needed and safe."""
        return any(fnmatch.fnmatch(name, p) for p in SAFE) and any(fnmatch.fnmatch(name, p) for p in self.only)


@dataclass(frozen=True, slots=True)
class Access:
    """What a person allows."""

    download: bool = True
    """False = only what is on this machine."""
    accept_non_commercial: bool = False
    """True = weights under a non-commercial or unknown licence may be used."""
    cache: Path | None = None
    """Where downloads are kept; None = `hub` in this program's cache. The hub's shared cache is looked into as well."""
    endpoint: str | None = None
    """Address of the hub; None = the usual one."""


def is_repository(where: str) -> bool:
    """True for `owner/name` that is no path on this machine."""
    return bool(_ID.fullmatch(where)) and not Path(where).exists()


def model_folder(
    where: str | Path | None, source: Source, access: Access | None = None, progress: Progress = silent
) -> Path:
    """The folder of a model, whole: `where` is a local folder, a hub id, or None for `source`'s own repository.

    The licence is told through `progress` and the log before the first byte is fetched. Raises BackendUnavailable when
    files are missing, damaged, pickled, not allowed or cannot be fetched; the text says what works instead.
    """
    access = Access() if access is None else access
    if where is not None and not (isinstance(where, str) and is_repository(where)):
        folder = Path(where)
        if not folder.is_dir():
            raise BackendUnavailable(
                f"There is no model folder {folder}. Give a folder with safetensors weights, the name of a hub "
                f"repository such as {source.repository}, or nothing to use that one. {source.instead}"
            )
        check_folder(folder, progress)
        return folder
    if where is not None and where != source.repository:
        source = replace(source, repository=str(where), revision=None)
    _allowed(source, access)
    return _present(source, access, progress) or _download(source, access, progress)


def _allowed(source: Source, access: Access) -> None:
    licence = source.licence
    if licence.non_commercial and not access.accept_non_commercial:
        raise BackendUnavailable(
            f"The weights {source.repository} are under the licence {licence.name} ({licence.url}), which does not "
            "allow every use. Read it and set the option accept_non_commercial=true to use them all the same. "
            f"{source.instead}"
        )


_NOTE = ".whole"
"""Written into a folder when all of a repository's files have arrived; lists them."""


def _own_folder(source: Source, access: Access) -> Path:
    return (access.cache or cache_folder() / "hub") / source.repository.replace("/", "--")


def _whole_own(source: Source, access: Access) -> Path | None:
    """The newest folder that this program has fetched wholly."""
    notes = sorted(_own_folder(source, access).glob(f"*/{_NOTE}"), key=lambda n: n.stat().st_mtime)
    for note in reversed(notes):
        wanted = [name for name in note.read_text().splitlines() if source.wants(name)]
        right = source.revision is None or note.parent.name.startswith(source.revision[:40])
        if wanted and right and all((note.parent / name).exists() for name in wanted):
            return note.parent
    return None


def _shared(source: Source) -> Path | None:
    """The repository's folder in the cache that other programs share, whole or not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source.repository, revision=source.revision, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None


def _present(source: Source, access: Access, progress: Progress) -> Path | None:
    """The folder, when all of it is on this machine."""
    folder = _whole_own(source, access)
    if folder is not None:
        check_folder(folder, progress)
        return folder
    folder = _shared(source)
    if folder is None:
        return None
    try:
        check_folder(folder, progress)
    except BackendUnavailable as e:
        _log.info("%s", e)
        if access.download:
            return None
        raise
    return folder


def _download(source: Source, access: Access, progress: Progress) -> Path:
    from huggingface_hub.errors import HTTPError

    licence = source.licence
    if not access.download:
        raise BackendUnavailable(
            f"The weights {source.repository} (about {source.gigabytes:g} GB, licence {licence.name}) are not on this "
            f"machine and downloading is off. Allow the download or give a local folder. {source.instead}"
        )
    told = f"{source.repository}: licence {licence.name}, {licence.url}, about {source.gigabytes:g} GB to download"
    _log.info("%s", told)
    progress(0.0, told)
    try:
        return _fetch_all(source, access, progress)
    except (Cancelled, BackendUnavailable):
        raise
    except (OSError, ValueError, RuntimeError, HTTPError, HTTPException) as e:
        raise BackendUnavailable(
            f"The weights {source.repository} (about {source.gigabytes:g} GB, licence {licence.name}) could not be "
            f"downloaded: {_first_line(e)}. What has arrived is kept and the next try goes on from there; or put the "
            f"repository's files into a folder and give that folder. {source.instead}"
        ) from e


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


@dataclass(frozen=True, slots=True)
class _Remote:
    name: str
    size: int
    sha256: str | None


def _fetch_all(source: Source, access: Access, progress: Progress) -> Path:
    from huggingface_hub import HfApi, hf_hub_url

    info = HfApi(endpoint=access.endpoint).model_info(source.repository, revision=source.revision, files_metadata=True)
    files = [
        _Remote(s.rfilename, int(s.size or 0), s.lfs.sha256 if s.lfs else None)
        for s in info.siblings or []
        if source.wants(s.rfilename)
    ]
    if not any(f.name.endswith(".safetensors") for f in files):
        raise BackendUnavailable(
            f"{source.repository} holds no safetensors weights that fit; pickled weights are never loaded. "
            f"{source.instead}"
        )
    folder = _own_folder(source, access) / str(info.sha)
    missing = [f for f in files if not (folder / f.name).is_file()]
    folder.mkdir(parents=True, exist_ok=True)
    _room_for(sum(f.size for f in missing), folder, source)
    total, before = max(1, sum(f.size for f in files)), sum(f.size for f in files if f not in missing)
    for file in missing:

        def arrived(share: float, doing: str, start: int = before, size: int = file.size) -> None:
            have = start + share * size
            said = f"Downloading {source.repository}: {have / _GB:.2f} of {total / _GB:.2f} GB"
            progress(min(1.0, have / total), said)

        url = hf_hub_url(source.repository, file.name, revision=info.sha, endpoint=access.endpoint)
        _fetch(url, folder / file.name, file, arrived)
        before += file.size
    check_folder(folder, progress)
    (folder / _NOTE).write_text("\n".join(f.name for f in files) + "\n")
    return folder


def _fetch(url: str, target: Path, file: _Remote, progress: Progress) -> None:
    """The file in its place, whole; an interrupted one stays beside it as `.part` and is gone on with."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if not part.exists() or part.stat().st_size != file.size:
        download(url, part, progress)
    try:
        if part.stat().st_size != file.size:
            raise BackendUnavailable(f"{file.name} has {part.stat().st_size} bytes instead of {file.size}.")
        if file.sha256:
            check_sha256(part, file.sha256)
    except BackendUnavailable as e:
        part.unlink()
        raise BackendUnavailable(f"{e} It came from {url} and was removed; try again.") from e
    os.replace(part, target)
    if file.sha256:
        with (target.parent / SUMS).open("a") as sums:
            sums.write(f"{file.sha256}  {target.name}\n")


def _room_for(size: int, folder: Path, source: Source) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise BackendUnavailable(
            f"{source.repository} needs {size / _GB:.1f} GB on disk and {folder} has {free / _GB:.1f} GB left. Make "
            f"room, or set XDG_CACHE_HOME to a folder with more. {source.instead}"
        )
