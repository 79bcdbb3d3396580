"""A stand-in for Keeper's vault: it answers `ksm` with records of its own, encrypted as the real one does.

`vault.py ADDRESS PORT FOLDER`: FOLDER holds the certificate (`vault.crt`, `vault.key`) and `records.json`, which maps a
record's UID to its password. What a client needs is written to `FOLDER/ksm.env`, as variables. Needs `cryptography`.
"""

import base64
import http.server
import json
import os
import pathlib
import ssl
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

POINT = 65  # bytes of an uncompressed point on P-256
NONCE = 12


def encrypt(data, key):
    """As the SDK does: a nonce, then AES-GCM."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, None)


def decrypt(data, key):
    """The inverse of `encrypt`."""
    return AESGCM(key).decrypt(data[:NONCE], data[NONCE:], None)


class Vault:
    """The keys of one application, and its records."""

    def __init__(self, records):
        self.records = records
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.app_key = os.urandom(32)

    def variables(self, host):
        """What `ksm` is given: KSM_CONFIG, and the key of this vault, which is none of the published ones."""
        client = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        configuration = {
            "hostname": host,
            "clientId": base64.b64encode(os.urandom(64)).decode(),
            "privateKey": base64.b64encode(client).decode(),
            "appKey": base64.b64encode(self.app_key).decode(),
            "serverPublicKeyId": "10",
        }
        encoded = base64.b64encode(json.dumps(configuration).encode()).decode()
        return f"KSM_CONFIG={encoded}\nSTAND_IN_VAULT={base64.urlsafe_b64encode(point).decode()}\n"

    def transmission_key(self, wrapped):
        """The key that the client made for this request."""
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), wrapped[:POINT])
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.key.exchange(ec.ECDH(), point))
        return decrypt(wrapped[POINT:], digest.finalize())

    def answer(self, request):
        """The records that are asked for, or all of them."""
        asked = request.get("requestedRecords") or self.records
        return {"records": [self.record(uid) for uid in asked if uid in self.records], "folders": []}

    def record(self, uid):
        """One record, under a key of its own."""
        key = os.urandom(32)
        content = {
            "title": uid,
            "type": "login",
            "fields": [{"type": "password", "value": [self.records[uid]]}],
            "custom": [],
        }
        return {
            "recordUid": uid,
            "recordKey": base64.b64encode(encrypt(key, self.app_key)).decode(),
            "data": base64.b64encode(encrypt(json.dumps(content).encode(), key)).decode(),
            "revision": 1,
            "isEditable": False,
            "files": [],
        }


class Handler(http.server.BaseHTTPRequestHandler):
    """The one call that reading needs."""

    def do_POST(self):
        """`get_secret`, and nothing else."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/rest/sm/v1/get_secret":
            self.send_error(404)
            return
        vault = self.server.vault
        key = vault.transmission_key(base64.b64decode(self.headers["TransmissionKey"]))
        answer = encrypt(json.dumps(vault.answer(json.loads(decrypt(body, key)))).encode(), key)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def main():
    """Serves until it is killed."""
    address, port, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    server = http.server.ThreadingHTTPServer((address, port), Handler)
    server.vault = Vault(json.loads((folder / "records.json").read_text(encoding="utf-8")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "vault.crt", folder / "vault.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    # Whole at once: the test waits for it.
    (folder / "new").write_text(server.vault.variables(f"{address}:{port}"), encoding="utf-8")
    (folder / "new").rename(folder / "ksm.env")
    server.serve_forever()


if __name__ == "__main__":
    main()
