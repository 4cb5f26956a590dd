"""SIP OPTIONS over UDP: does a SIP server answer at all?"""

import secrets
import socket


def options(host: str, port: int, *, wait_s: float = 1.0) -> int:
    """The status of the answer. Raises OSError (TimeoutError among them) if none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(wait_s)
        line.connect((host, port))
        here, mine = line.getsockname()
        name = secrets.token_hex(6)
        message = (
            f"OPTIONS sip:ready@{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {here}:{mine};branch=z9hG4bK{name};rport\r\n"
            f"From: <sip:ready@{here}>;tag={name}\r\nTo: <sip:ready@{host}>\r\n"
            f"Call-ID: {name}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
            f"Content-Length: 0\r\n\r\n"
        )
        line.send(message.encode())
        return _status(line.recv(4096))


def _status(answer: bytes) -> int:
    first = answer.split(b"\r\n")[0].split(b" ")
    return int(first[1]) if len(first) > 1 and first[1].isdigit() else 0
