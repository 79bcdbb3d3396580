"""A private mirror of crates.io, for callers who have its token, and a git server, for callers who have a password.

It serves what the cargo of this machine has fetched already, and the repositories in a folder under /git/:
`mirror.py CARGO_HOME GIT_FOLDER ADDRESS PORT`, the token in the variable MIRROR_TOKEN and USER:PASSWORD in GIT_LOGIN. It
asks no other server, and writes one line a request to standard error.
"""

import base64
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
    """Answers GET /index/config.json, /index/se/rd/serde, /crates/serde/1.0.0/download and /git/NAME.git/info/refs."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        place = self.path.partition("?")[0].strip("/").split("/")
        if place[0] == "git":
            self.serve_git(place[1:])
        elif self.shows(self.server.token):
            self.serve_crates(place)
        else:
            self.answer(401, b"", {"WWW-Authenticate": 'Cargo login_url="http://localhost/"'})

    def shows(self, wanted):
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), wanted.encode())

    def serve_git(self, place):
        """The files of a bare repository, which is all that git needs (its "dumb" protocol)."""
        if not self.shows(self.server.login):
            self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
            return
        file = self.server.repositories.joinpath(*place)
        is_there = ".." not in place and file.is_file()
        self.answer(*((200, file.read_bytes()) if is_there else (404, b"")))

    def serve_crates(self, place):
        match place:
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
    home, repositories, address, port = sys.argv[1:]
    server = ThreadingHTTPServer((address, int(port)), Mirror)
    server.registry = Path(home) / "registry"
    server.token = os.environ.pop("MIRROR_TOKEN")
    server.repositories = Path(repositories)
    server.login = "Basic " + base64.b64encode(os.environ.pop("GIT_LOGIN").encode()).decode()
    server.serve_forever()


if __name__ == "__main__":
    main()
