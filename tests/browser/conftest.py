"""One server and one headless Chromium for all browser tests, and the page as a person handles it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


STARTS = 240
"""Seconds the app may take to answer: on a fresh clone it compiles first, on a busy machine slowly."""


def chromium() -> str | None:
    """The browser to drive: CHROMIUM, or the one that is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next((p for n in names if (p := shutil.which(n))), None)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve(log: Path, *program: str) -> tuple[subprocess.Popen[bytes], str]:
    """The app, or another program that starts it, as a process of its own, and its address once it answers."""
    port = free_port()
    env = os.environ | {"GRADIO_SERVER_PORT": str(port), "PYTHONWARNINGS": "default"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *(program or ("app.py",))], cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT
        )
    address, until = f"http://127.0.0.1:{port}/", time.monotonic() + STARTS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return process, address
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    process.kill()
    process.wait()
    raise RuntimeError(f"the app did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app") / "app.log"


@dataclass(frozen=True, eq=False, slots=True)
class Server:
    """The app of all tests."""

    process: subprocess.Popen[bytes]
    address: str

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Whatever it was doing stands still and goes on afterwards; what is asked meanwhile waits."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def server(log: Path) -> Iterator[Server]:
    process, address = serve(log)
    yield Server(process, address)
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def address(server: Server) -> str:
    return server.address


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    executable = chromium()
    if executable is None:
        reason = "needs Chromium (set CHROMIUM to its path)"
        pytest.fail(reason) if os.environ.get("CI") == "1" else pytest.skip(reason)
    with sync_playwright() as p:
        yield p.chromium.launch(executable_path=executable, args=FLAGS, headless=True)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photo with one clear thing in it."""
    file = tmp_path_factory.mktemp("photo") / "bird.jpg"
    with Image.open(ROOT / "assets" / "examples" / "osprey.jpg") as picture:
        picture.resize((480, 272)).save(file, quality=90)
    return file


@pytest.fixture
def studio(browser: "Browser", address: str) -> Iterator["Studio"]:
    """A fresh tab; the test fails when the page asked anybody else for anything, or broke."""
    tab = Studio(browser, address)
    yield tab
    tab.close()
    assert not tab.outside, f"requests to others: {tab.outside}"
    assert not tab.broken, f"errors in the page: {tab.broken}"


from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests.browser.studio import Studio  # noqa: E402
