"""A private mirror of crates.io that answers only to those who have its token.

It serves what the cargo of this machine has fetched already: `mirror.py CARGO_HOME ADDRESS PORT`, the token in the
variable MIRROR_TOKEN. It asks nobody else, and writes one line a request to standard error.
"""

import hmac
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REGISTRY = "index.crates.io-*"


def index_lines(cached: bytes) -> bytes:
    """The lines of the index, out of cargo's own cache: fields that end with NUL, some of them JSON."""
    return b"\n".join(field for field in cached.split(b"\0") if field.startswith(b"{"))


class Mirror(BaseHTTPRequestHandler):
    """Answers GET /index/config.json, /index/se/rd/serde and /crates/serde/1.0.0/download."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            self.answer(401, b"", {"WWW-Authenticate": 'Cargo login_url="http://localhost/"'})
            return
        match self.path.strip("/").split("/"):
            case ["index", "config.json"]:
                address, port = self.server.server_address
                config = {"dl": f"http://{address}:{port}/crates", "auth-required": True}
                self.answer(200, json.dumps(config).encode())
            case ["index", *place]:
                self.serve(f"index/{REGISTRY}/.cache/" + "/".join(place), index_lines)
            case ["crates", name, version, "download"]:
                self.serve(f"cache/{REGISTRY}/{name}-{version}.crate", bytes)
            case _:
                self.answer(404, b"")

    def serve(self, pattern, convert):
        found = next(iter(self.server.registry.glob(pattern)), None)
        self.answer(*((200, convert(found.read_bytes())) if found else (404, b"")))

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    home, address, port = sys.argv[1:]
    server = ThreadingHTTPServer((address, int(port)), Mirror)
    server.registry = Path(home) / "registry"
    server.token = os.environ.pop("MIRROR_TOKEN")
    server.serve_forever()


if __name__ == "__main__":
    main()
