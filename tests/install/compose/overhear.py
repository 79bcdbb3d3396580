"""Prints what is sent over TCP in this network until WORD was seen: `overhear.py WORD`.

The first line says that it listens. Ends with 0 a moment after WORD, so that the rest of the request is seen too.
"""

import socket
import sys

EVERYTHING = 3  # ETH_P_ALL


def main():
    word = sys.argv[1].encode()
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(EVERYTHING))
    print("listening", flush=True)
    seen = False
    while True:
        try:
            packet = wire.recv(65535)
        except TimeoutError:
            return
        sys.stdout.write(packet.decode("latin-1"))
        sys.stdout.flush()
        if word in packet and not seen:
            seen = True
            wire.settimeout(1)


if __name__ == "__main__":
    main()
