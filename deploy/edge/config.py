"""Kamailio's files for one SIP edge, as text. Pure; what it does with calls is in routes.cfg."""

import ipaddress
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROUTES = Path(__file__).with_name("routes.cfg")
# Kamailio registers only if it has a table of registrations; ours is empty, they come over RPC
NO_REGISTRATIONS = (
    "id(int,auto) l_uuid(string) l_username(string) l_domain(string) r_username(string) "
    "r_domain(string) realm(string) auth_username(string) auth_password(string) auth_ha1(string) "
    "auth_proxy(string) expires(int) flags(int) reg_delay(int) contact_addr(string) "
    "socket(string)\n"
)


AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


class BadEdge(ValueError):
    """A setting which cannot be used: value, reason, next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One edge. Carriers see `public`; `outer` differs from it behind NAT."""

    folder: Path  # of the files
    outer: str  # our address towards carriers
    public: str
    port: int
    inner: str  # our address towards livekit-sip; nobody else may reach it
    inner_port: int
    rpc_port: int  # on `inner`
    token: str  # what telephony/edge.py shows
    targets: tuple[str, ...]  # livekit-sip, host:port each
    tls_port: int = 0  # 0: no TLS, in neither direction
    certificate: str = ""
    key: str = ""
    authorities: str = AUTHORITIES  # whom we trust when we call over TLS
    retry_s: int = 60  # after a refused registration


def from_environment(env: Mapping[str, str], folder: Path) -> Edge:
    """The edge `.env` describes; the names are explained in .env.example. Raises BadEdge."""
    inner, _, inner_port = env.get("SIP_EDGE_ADDRESS", "127.0.0.1:5062").rpartition(":")
    outer = env.get("EDGE_OUTER") or env.get("SIP_PUBLIC_IP", "")
    rpc = urlsplit(env.get("SIP_EDGE_RPC_URL") or "http://127.0.0.1:5064/rpc")
    return Edge(
        folder=folder,
        outer=outer,
        public=env.get("SIP_PUBLIC_IP") or outer,
        port=_port(env, "EDGE_PORT", "5060"),
        inner=inner,
        inner_port=_port({"SIP_EDGE_ADDRESS": inner_port}, "SIP_EDGE_ADDRESS", ""),
        rpc_port=rpc.port or 0,
        token=_token(env),
        targets=tuple(env.get("EDGE_TARGETS", "127.0.0.1:5070").replace(",", " ").split()),
        tls_port=_port(env, "EDGE_TLS_PORT", "0"),
        certificate=env.get("EDGE_TLS_CERTIFICATE", ""),
        key=env.get("EDGE_TLS_KEY", ""),
        authorities=env.get("EDGE_TLS_AUTHORITIES") or AUTHORITIES,
        retry_s=_port(env, "EDGE_RETRY_SECONDS", "60"),
    )


def _port(env: Mapping[str, str], name: str, default: str) -> int:
    text = env.get(name) or default
    if not text.isdigit() or int(text) > 65535:
        raise BadEdge(f"{name} has {text!r}; write a whole number below 65536.")
    return int(text)


def _token(env: Mapping[str, str]) -> str:
    if path := env.get("SIP_EDGE_TOKEN_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as reason:
            raise BadEdge(f"SIP_EDGE_TOKEN_FILE: cannot read {path}.") from reason
    return env.get("SIP_EDGE_TOKEN", "")


def files(edge: Edge) -> dict[str, str]:
    """File name → text. They hold the token: only their owner may read them."""
    _check(edge)
    return {
        "kamailio.cfg": _main(edge),
        "dispatcher.list": "".join(f"1 sip:{target}\n" for target in edge.targets),
        "uacreg": NO_REGISTRATIONS,
        "version": "table_name(string) table_version(int)\nuacreg:5\n",
        **({"tls.cfg": _tls(edge)} if edge.tls_port else {}),
    }


def command(folder: Path) -> str:
    """What runs Kamailio in the foreground on the files in `folder`."""
    where = shlex.quote(str(folder))
    return f"kamailio -DD -E -m 64 -M 8 -f {where}/kamailio.cfg -P {where}/pid -Y {where}"


def _check(edge: Edge) -> None:
    for name in ("outer", "public", "inner"):
        try:
            ipaddress.ip_address(getattr(edge, name))
        except ValueError as reason:
            raise BadEdge(
                f"{name} is {getattr(edge, name)!r}; write the edge's IP address."
            ) from reason
    if not re.fullmatch(r"[\w-]{16,}", edge.token):
        raise BadEdge(
            "SIP_EDGE_TOKEN is too short or odd; use 16 or more letters, digits, - and _."
        )
    if bad := [t for t in edge.targets if not re.fullmatch(r"[\w.-]+:[0-9]{1,5}", t)]:
        raise BadEdge(f"EDGE_TARGETS has {bad[0]!r}; write livekit-sip's host:port.")
    if not edge.targets:
        raise BadEdge("EDGE_TARGETS is empty; write livekit-sip's host:port.")
    for path in (str(edge.folder), edge.certificate, edge.key, edge.authorities):
        if re.search(r"[\s~\"\\]", path):
            raise BadEdge(f"{path!r} has a blank, ~, quote or backslash; use another path.")
    if bool(edge.tls_port) != bool(edge.certificate and edge.key):
        raise BadEdge("TLS needs EDGE_TLS_PORT, EDGE_TLS_CERTIFICATE and EDGE_TLS_KEY together.")


def _main(edge: Edge) -> str:
    names = {
        "EDGE_FOLDER": edge.folder,
        "EDGE_OUTERPORT": edge.port,
        "EDGE_OUTER": edge.outer,
        "EDGE_INNERPORT": edge.inner_port,
        "EDGE_INNER": edge.inner,
        "EDGE_RPCPORT": edge.rpc_port,
        "EDGE_CONTACT": f"{edge.public}:{edge.port}",
        "EDGE_RETRY": edge.retry_s,
        "EDGE_TOKEN": edge.token,
        "EDGE_TLSCONTACT": f"{edge.public}:{edge.tls_port}",
        "EDGE_TLSPORT": edge.tls_port,
    }
    seen = f" advertise {edge.public}"
    listens = [f"{kind}:{edge.outer}:{edge.port}{seen}:{edge.port}" for kind in ("udp", "tcp")]
    if edge.tls_port:
        listens.append(f"tls:{edge.outer}:{edge.tls_port}{seen}:{edge.tls_port}")
    listens += [f"udp:{edge.inner}:{edge.inner_port}", f"tcp:{edge.inner}:{edge.rpc_port}"]
    lines = [
        "#!KAMAILIO",
        *(["#!define EDGE_TLS", "enable_tls=yes"] if edge.tls_port else []),
        *(f'#!substdef "~{name}~{value}~g"' for name, value in names.items()),
        "log_stderror=yes",
        "debug=1",  # warnings, and what the edge refuses
        "pv_buffer_size=65535",  # one entry of the list holds all carriers' networks
        "children=4",
        "tcp_children=4",
        "auto_aliases=no",
        "tcp_accept_no_cl=yes",  # as HTTP needs it
        "tcp_connect_timeout=5",
        "server_signature=no",
        # outer first: what we send of our own accord leaves there
        *(f"listen={listen}" for listen in listens),
        f'include_file "{ROUTES}"',
    ]
    return "\n".join(lines) + "\n"


def _tls(edge: Edge) -> str:
    """Carriers need no certificate of their own when they call us, but one when we call them."""
    return (
        "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n"
        f"private_key = {edge.key}\ncertificate = {edge.certificate}\n\n"
        "[client:default]\nmethod = TLSv1.2+\nverify_certificate = yes\n"
        f"require_certificate = yes\nca_list = {edge.authorities}\n"
    )
