"""Reading with a size cap, writing all or nothing."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatia_core.errors import InvalidInput, SpatiaError

PathLike = str | os.PathLike[str]


def name_of(source: PathLike | bytes) -> str:
    """The file's name for messages; "the upload" for bytes."""
    return "the upload" if isinstance(source, bytes) else Path(source).name


def read_bytes(source: PathLike | bytes, limit: int, what: str) -> bytes:
    """The whole content; raises InvalidInput when it is missing, a folder, unreadable, empty or above `limit` bytes."""
    name = name_of(source)
    if isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        if not path.is_file():
            raise InvalidInput(f"There is no {what} file {str(path)!r}; give the path of an existing file.")
        _check_size(path.stat().st_size, limit, name, what)
        try:
            data = path.read_bytes()
        except OSError as e:
            raise InvalidInput(f"The {what} file {name} cannot be read ({e.strerror}).") from e
    if not data:
        raise InvalidInput(f"The {what} file {name} is empty (0 bytes); give it again.")
    _check_size(len(data), limit, name, what)
    return data


def read_text(source: PathLike | bytes, limit: int, what: str) -> str:
    """The content as UTF-8 text; raises InvalidInput as `read_bytes` does, and when it is not text."""
    data = read_bytes(source, limit, what)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"The {what} file {name_of(source)} is not a text file.") from None


def _check_size(size: int, limit: int, name: str, what: str) -> None:
    if size > limit:
        raise InvalidInput(f"The {what} file {name} has {size / 1e6:.1f} MB; give one of at most {limit / 1e6:g} MB.")


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well and vanishes when it does not.

    Raises SpatiaError when the disc is full.
    """
    target = Path(path)
    with room_on_disc(target.name):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def room_on_disc(name: str) -> Iterator[None]:
    """Tells a full disc in words that a person understands, as SpatiaError; other errors pass."""
    try:
        yield
    except OSError as e:
        if not is_full(e):
            raise
        raise SpatiaError(disc_full(name)) from e


def is_full(error: BaseException) -> bool:
    """True when the error says that there is no room on the disc."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def disc_full(name: str) -> str:
    """What a person is told then."""
    return (
        f"The disc is full: {name} was not written. Your work is as it was; free some room or close other "
        "sessions, then try again."
    )
