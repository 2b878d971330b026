"""How large a message of the page may be: what is longer is refused before it is read."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.middleware import Middleware

MOST = 8_000_000
"""Bytes of a message; the longest real one, a lasso of many corners, has less than a hundredth of that."""

SAYS = f"That message is too large: a message of the page has at most {MOST // 1_000_000} MB. Reload the page."

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


class _TooLarge(Exception):
    """More came than was announced or allowed."""


class MessageLimit:
    """ASGI middleware: messages over the limit get status 413 and a sentence; files have a limit of their own."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > MOST:
            await _refuse(send)
            return
        got, begun = 0, False

        async def counted() -> Scope:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > MOST:
                raise _TooLarge
            return message

        async def watched(message: Scope) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except _TooLarge:
            if not begun:
                await _refuse(send)


async def _refuse(send: Send) -> None:
    body = json.dumps({"detail": SAYS}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


def guarded() -> dict[str, Any]:
    """Arguments of the web application under which the limit holds."""
    return {"middleware": [Middleware(MessageLimit)]}
