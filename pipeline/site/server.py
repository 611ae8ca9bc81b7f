"""The server of ``watch``: one page, on this machine alone, that is asked for again while trainings go on.

It answers who is on this machine, under its own names of this machine, so that no page of elsewhere can read along by a
name that it lets lead here. It has no paths of the disk, and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from pipeline.errors import UserError
from pipeline.site import templating
from pipeline.site.board import Board
from pipeline.site.choice import Choice

HOST = "127.0.0.1"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a browser lets the page do: nothing that leads elsewhere."""
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


class Pages:
    """The page for every address.

    Args:
        board: What it shows.
        title: Of the page.
    """

    def __init__(self, board: Board, title: str) -> None:
        self.board, self.title = board, title
        self.template = templating.environment().get_template("watch.html")

    def page(self, query: str, alone: bool = False) -> str:
        """The page as it is now.

        Args:
            query: The choice, as the address says it.
            alone: Whether it stands in a file of its own: with its style sheet in it, and nothing that asks a server.
        """
        style = (templating.ASSETS / "style.css").read_text(encoding="utf-8") if alone else ""
        view = self.board.view(Choice.of(query))
        return self.template.render(root="", title=self.title, view=view, style=Markup(style), alone=alone)


class Server(ThreadingHTTPServer):
    """Serves the page and what belongs to it.

    Args:
        pages: The page.
        port: Where; 0 for any that is free.

    Raises:
        UserError: The port is taken, or not ours to take.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, pages: Pages, port: int) -> None:
        self.pages = pages
        self.assets = {f"/{path.name}": path.read_bytes() for path in templating.ASSETS.iterdir()}
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UserError(f"--port {port}: {error.strerror}; type --port 0 for one that is free") from None
        self.names = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def address(self) -> str:
        """Where it is found."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone away in the middle of an answer."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "watch"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(self.wfile.write)

    def do_HEAD(self) -> None:
        self._answer(lambda _: 0)

    def _answer(self, write: Callable[[bytes], object]) -> None:
        status, kind, content = self._found()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag:
            status, content = HTTPStatus.NOT_MODIFIED, b""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        write(content)

    def _found(self) -> tuple[HTTPStatus, str, bytes]:
        plain = "text/plain; charset=utf-8"
        if self.headers.get("Host", "").lower() not in self.server.names:
            return HTTPStatus.FORBIDDEN, plain, f"type {self.server.address} in a browser on this machine\n".encode()
        asked = urlsplit(self.path)
        if asked.path == "/":
            self.server.pages.board.look_again()
            return HTTPStatus.OK, "text/html; charset=utf-8", self.server.pages.page(asked.query).encode()
        if asked.path in self.server.assets:
            kind = next(kind for suffix, kind in TYPES.items() if asked.path.endswith(suffix))
            return HTTPStatus.OK, kind, self.server.assets[asked.path]
        return HTTPStatus.NOT_FOUND, plain, f"there is one page: {self.server.address}\n".encode()

    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""
