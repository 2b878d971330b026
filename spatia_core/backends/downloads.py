"""Weight files from the web: resumed, checked, and put in place only when whole."""

import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import BackendUnavailable

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file on the web."""

    url: str
    """Where it is."""
    sha256: str
    """Its SHA-256 in hexadecimal digits."""

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rsplit("/", 1)[-1]


def cache_folder() -> Path:
    """Where weights are kept: `spatia-studio` in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spatia-studio"


def found(
    source: WeightFile, folder: Path, allowed: bool, what: str, instead: str, progress: Progress = silent
) -> Path:
    """The file in `folder`, fetched if that is allowed; errors say `what` the weights are for and what works `instead`.

    Raises BackendUnavailable.
    """
    if not allowed and not (folder / source.name).is_file():
        raise BackendUnavailable(
            f"The {what} weights {source.name} are not in {folder} and downloading is off. Put the file there or allow "
            f"the download. {instead}"
        )
    try:
        return fetch(source, folder, progress)
    except BackendUnavailable as e:
        raise BackendUnavailable(f"{e} {instead}") from e


def fetch(source: WeightFile, folder: Path, progress: Progress = silent, timeout: float = 30.0) -> Path:
    """The path of the file in `folder`, downloaded if it is not there; what is in place is always whole and checked.

    An interrupted download leaves a `.part` file that the next call goes on with. Raises BackendUnavailable when the
    server cannot be reached or the file has another checksum.
    """
    target = folder / source.name
    if target.is_file():
        return target
    part = target.with_name(target.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        download(source.url, part, progress, timeout)
    except (OSError, http.client.HTTPException) as e:  # URLError and timeouts are OSErrors
        raise BackendUnavailable(
            f"Could not download {source.name} from {source.url} ({e}). Check the connection and try again (what has "
            f"arrived is kept), or put the file at {target} yourself."
        ) from e
    found = _sha256(part)
    if found != source.sha256:
        part.unlink()
        raise BackendUnavailable(
            f"The file from {source.url} is damaged or not the expected one: its SHA-256 is {found}, expected "
            f"{source.sha256}. It was removed; try again."
        )
    os.replace(part, target)
    _log.info("Downloaded %s to %s", source.url, target)
    return target


def download(url: str, part: Path, progress: Progress = silent, timeout: float = 30.0) -> None:
    """Appends to the part file whatever it lacks; starts anew when the server cannot resume."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as e:
        e.close()
        if e.code == 416 and have:  # nothing is missing; the checksum decides
            return
        raise
    with response:
        resumed = response.status == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(have / total if total else 0.0, f"Downloading {part.stem}: {have >> 20} of {total >> 20} MB")
    if total and have < total:
        raise OSError(f"the connection ended after {have} of {total} bytes")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
