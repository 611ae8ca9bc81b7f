"""Remote stores on loopback: a folder over HTTP (GET, HEAD, PUT, POST), and one over ssh with an sshd of our own."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")

_SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/key.pub
StrictModes no
PasswordAuthentication no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[dict[str, str]]:
    """Run an sshd until the block ends; yields what DVC has to know: host, port, user, keyfile."""
    folder.mkdir(parents=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(_SSHD_CONFIG.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield {"host": "127.0.0.1", "port": str(port), "user": getpass.getuser(), "keyfile": str(folder / "key")}
    finally:
        server.terminate()
        server.wait()


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    writable: bool
    protocol_version = "HTTP/1.1"

    def _path(self) -> Path:
        return self.folder / self.path.split("?")[0].lstrip("/")

    def _answer(self, status: int, content: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self) -> None:
        path = self._path()
        self._answer(200, length=path.stat().st_size) if path.is_file() else self._answer(404)

    def do_GET(self) -> None:
        path = self._path()
        self._answer(200, path.read_bytes()) if path.is_file() else self._answer(404)

    def do_PUT(self) -> None:
        if not self.writable:
            self.close_connection = True
            self._answer(403)
            return
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._answer(201)

    do_POST = do_PUT

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path, writable: bool = True) -> Iterator[str]:
    """Serve a folder until the block ends; yields its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder, "writable": writable})
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
