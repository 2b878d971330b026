"""Shapes and dtypes in signatures are checked while tests run; every library keeps to one thread."""

import inspect
import os
from collections.abc import Callable
from typing import Any, Self, get_args

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

import cv2
import numba
from beartype import BeartypeConf, beartype
from hypothesis import settings
from jaxtyping import install_import_hook

cv2.setNumThreads(1)
settings.register_profile("here", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)  # pytest --hypothesis-profile thorough
settings.load_profile("here")

_njit = numba.njit


def _njit_unwrapped(*args: Any, **options: Any) -> Any:
    """numba.njit that compiles the function itself, not the checker that the import hook has put around it."""
    if args and callable(args[0]):
        return _njit(inspect.unwrap(args[0]), **options)
    compiler = _njit(*args, **options)
    return lambda function: compiler(inspect.unwrap(function))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and result checked, but for hints that beartype cannot check (see below)."""
    hints = function.__annotations__
    function.__annotations__ = {name: Any if _uncheckable(hint) else hint for name, hint in hints.items()}
    return _beartype(function)


def _uncheckable(hint: Any) -> bool:
    """True for Self (it needs the class) and protocols (they say what is called, not what the thing is)."""
    protocol = getattr(hint, "_is_protocol", False) and not getattr(hint, "_is_runtime_protocol", False)
    return hint is Self or protocol or any(_uncheckable(part) for part in get_args(hint))


_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand where a float is asked for
numba.njit = _njit_unwrapped
install_import_hook(["spatia_core", "editing"], "tests.conftest.checked")
