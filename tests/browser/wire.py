"""A wire between the browser and the app that can be cut and mended."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Wire:
    """Passes everything on to the app's address, until it is cut."""

    def __init__(self, to: str) -> None:
        parts = urlsplit(to)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every connection is torn, and new ones are until `mend`."""
        with self._lock:
            self._cut = True
            torn, self._open = self._open, []
        for s in torn:
            with suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def mend(self) -> None:
        """New connections pass again."""
        with self._lock:
            self._cut = False

    def close(self) -> None:
        """Nothing listens any more."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    cut = self._cut
                if cut:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                with self._lock:
                    self._open += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for s in (source, sink):
            with suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
