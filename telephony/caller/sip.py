"""SIP messages (RFC 3261) as far as a caller needs them. Everything received is untrusted."""

import hashlib
import ipaddress
import re
import secrets
from dataclasses import dataclass, field

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A request (`method`) or a response (`status`). Header names are in lower case."""

    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method; (0, "") when malformed."""
        found = re.fullmatch(r"([0-9]{1,10})\s+([A-Z]+)", self.get("cseq"))
        return (int(found[1]), found[2]) if found else (0, "")


class NoMedia(ValueError):
    """An SDP body does not say where audio goes."""


def parse(data: bytes) -> Message | None:
    """Read one datagram; None if it is not SIP (keep-alives, noise)."""
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    # a line which begins with a blank goes on with the header before it
    first, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers.append((_COMPACT.get(key, key), value.strip()))
    if response := re.fullmatch(r"SIP/2\.0 ([1-6][0-9]{2}) ?(.*)", first):
        return Message(
            status=int(response[1]), reason=response[2], headers=tuple(headers), body=body
        )
    if request := re.fullmatch(r"([A-Z]+) (\S+) SIP/2\.0", first):
        return Message(method=request[1], uri=request[2], headers=tuple(headers), body=body)
    return None


def render(first: str, headers: list[tuple[str, str]], body: str = "") -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def answer(
    request: Message, status: int, reason: str, tag: str, body: str = "", *, contact: str = ""
) -> bytes:
    """A response to a request of the other side, which keeps its Via, From, To, Call-ID, CSeq."""
    to = request.get("to")
    headers = [("Via", via) for via in request.all("via")]
    headers += [
        ("From", request.get("from")),
        ("To", to if "tag=" in to else f"{to};tag={tag}"),
        ("Call-ID", request.get("call-id")),
        ("CSeq", request.get("cseq")),
        *([("Contact", f"<{contact}>")] if contact else []),
    ]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return render(f"SIP/2.0 {status} {reason}", headers, body)


@dataclass(slots=True)
class Dialog:
    """What identifies our call, and the requests we send in it."""

    target: str  # sip:number@host:port
    caller: str
    host: str
    port: int
    call_id: str = field(default_factory=lambda: secrets.token_hex(12))
    tag: str = field(default_factory=lambda: secrets.token_hex(6))
    cseq: int = 0
    to: str = ""
    remote: str = ""  # the other side's contact, once known
    routes: list[str] = field(default_factory=list)

    @property
    def contact(self) -> str:
        return f"sip:{self.caller}@{self.host}:{self.port}"

    def request(
        self,
        method: str,
        *,
        branch: str,
        cseq: int,
        body: str = "",
        extra: tuple[tuple[str, str], ...] = (),
        to: str = "",
        kind: str = "application/sdp",
    ) -> bytes:
        headers = [
            ("Via", f"SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<{self.contact}>;tag={self.tag}"),
            ("To", to or self.to or f"<{self.target}>"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<{self.contact}>"),
            ("User-Agent", "contactcenter-caller"),
            *(("Route", route) for route in self.routes),
            *extra,
        ]
        if body:
            headers.append(("Content-Type", kind))
        return render(f"{method} {self.remote or self.target} SIP/2.0", headers, body)

    def establish(self, ok: Message) -> None:
        """Take the other side's tag, contact and route from its 200."""
        self.to = ok.get("to")
        if contact := re.search(r"<?(sips?:[^>;\s]+)", ok.get("contact")):
            self.remote = contact[1]
        listed = ",".join(ok.all("record-route"))
        self.routes = re.findall(r"<[^>]+>[^,]*", listed)[::-1]


def new_branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"


def offer(host: str, port: int) -> str:
    """An SDP body: G.711 µ-law and RFC 4733 digits."""
    return (
        f"v=0\r\no=caller 1 1 IN IP4 {host}\r\ns=call\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def media_address(sdp: str) -> tuple[str, int]:
    """Where the other side wants audio. Raises NoMedia."""
    host = re.search(r"^c=IN IP4 ([0-9.]+)", sdp, re.M)
    port = re.search(r"^m=audio ([0-9]{1,5}) RTP/AVP ((?:[0-9]+ ?)+)", sdp, re.M)
    if not host or not port or not 0 < int(port[1]) < 65536:
        raise NoMedia("The SDP answer names no audio address.")
    if "0" not in port[2].split():
        raise NoMedia("The SDP answer does not accept G.711 µ-law.")
    try:
        return str(ipaddress.IPv4Address(host[1])), int(port[1])
    except ipaddress.AddressValueError as reason:
        raise NoMedia(f"The SDP answer's address {host[1]!r} is none.") from reason


def digest(challenge: str, *, method: str, uri: str, username: str, password: str) -> str:
    """The Authorization value for an MD5 challenge (RFC 2617, without or with qop=auth)."""
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    fields = {name.lower(): quoted or bare for name, quoted, bare in found}
    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    one = _md5(f"{username}:{realm}:{password}")
    two = _md5(f"{method}:{uri}")
    parts = [f'username="{username}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"']
    if "auth" in fields.get("qop", ""):
        cnonce = secrets.token_hex(8)
        response = _md5(f"{one}:{nonce}:00000001:{cnonce}:auth:{two}")
        parts += ["qop=auth", "nc=00000001", f'cnonce="{cnonce}"']
    else:
        response = _md5(f"{one}:{nonce}:{two}")
    if opaque := fields.get("opaque"):
        parts.append(f'opaque="{opaque}"')
    return "Digest " + ", ".join([*parts, f'response="{response}"', "algorithm=MD5"])


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
