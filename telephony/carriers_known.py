"""What known carriers need of us and we of them: addresses, settings, what to enter there. Pure.

Addresses age. They are what the carrier's page said on the day given, unless their region is marked
unconfirmed; they only fill in the form, and whoever connects a number sees page, date and doubt and
can change them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """`steps` and `traps` may hold {host}, {port}, {number} and {user} of this installation."""

    key: str
    label: str
    about: str
    steps: tuple[str, ...]
    traps: tuple[str, ...] = ()
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of SIP, by region
    source: str = ""  # title of the page the networks are from
    checked: str = ""  # day, ISO
    unconfirmed: frozenset[str] = frozenset()  # regions nobody compared with the carrier's page
    needs_all: bool = False  # it calls from every region, whichever was chosen
    is_near: bool = False  # it may stand in our own network
    by_password: bool = False  # it can log in with user name and password
    encryption: str = "disable"
    codecs: tuple[str, ...] = ()
    include_headers: str = "none"

    def addresses(self) -> list[str]:
        return [network for region in self.networks.values() for network in region]

    def to_check(self) -> list[str]:
        """Networks which should be compared with the carrier's page before use."""
        return [net for region in sorted(self.unconfirmed) for net in self.networks[region]]

    def told(self, **values: str) -> tuple[str, ...]:
        """The steps with this installation's values."""
        return tuple(step.format_map(values) for step in self.steps)

    def warned(self, **values: str) -> tuple[str, ...]:
        return tuple(trap.format_map(values) for trap in self.traps)


_SETTINGS = (
    "Codecs: G.711 (PCMU or PCMA) or G.722. DTMF: RFC 4733 (also called RFC 2833). "
    "Registration: none."
)
_NO_TIMERS = (
    "Switch off session timers (RFC 4028) and silence suppression: re-INVITEs for them are not "
    "understood, and a line without any sound for 15 s is taken for dead."
)

_ALL = (
    Carrier(
        key="twilio",
        label="Twilio",
        about="Elastic SIP Trunking.",
        needs_all=True,
        networks={
            "North America, Virginia": ("54.172.60.0/30",),
            "North America, Oregon": ("54.244.51.0/30",),
            "Europe, Ireland": ("54.171.127.192/30",),
            "Europe, Frankfurt": ("35.156.191.128/30",),
            "Asia Pacific, Tokyo": ("54.65.63.192/30",),
            "Asia Pacific, Singapore": ("54.169.127.128/30",),
            "Asia Pacific, Sydney": ("54.252.254.64/30",),
            "South America, São Paulo": ("177.71.206.192/30",),
        },
        # The page was read for North America only. The rest agrees with what others publish
        # (several open-source set-ups); nobody held it against the page.
        unconfirmed=frozenset(
            {
                "Europe, Ireland",
                "Europe, Frankfurt",
                "Asia Pacific, Tokyo",
                "Asia Pacific, Singapore",
                "Asia Pacific, Sydney",
                "South America, São Paulo",
            }
        ),
        source="IP Addresses for Elastic SIP Trunking Services (twilio.com/docs)",
        checked="2026-11-21",
        steps=(
            "Console → Elastic SIP Trunking → Manage → Trunks → Create new SIP Trunk.",
            "Origination → Add new Origination URI: sip:{host}:{port}, priority 10, weight 10.",
            "Numbers → Add a number → {number}.",
            "General → Features → Call Transfer (SIP REFER): enable it, with PSTN transfer, if "
            "callers shall be transferred.",
        ),
        traps=(
            "Twilio sends calls from all its regions, whichever you chose: keep all addresses.",
            "It logs in nowhere, so there is no user name and no password for calls to you.",
            "“Secure Trunking” makes it send TLS and SRTP only. Leave it off, or set encryption "
            "to “required” here and give livekit-sip a certificate.",
        ),
    ),
    Carrier(
        key="telnyx",
        label="Telnyx",
        about="A SIP connection of type FQDN.",
        networks={
            "United States": ("192.76.120.10", "64.16.250.10"),
            "Europe": ("185.246.41.140", "185.246.41.141"),
            "Canada": ("192.76.120.31", "64.16.250.13"),
            "Australia": ("103.115.244.145", "103.115.244.146"),
        },
        source="SIP Info: SIP Signaling Addresses (sip.telnyx.com)",
        checked="2026-11-21",
        steps=(
            "Mission Control → Voice → SIP Trunking → Create SIP Connection, type FQDN.",
            "Authentication and routing → Add FQDN: {host}, port {port}, DNS record type A.",
            "Inbound → Destination number format: +E.164. SIP region: the one nearest to you.",
            "Inbound → Codecs: G.711U, G.711A, G.722. Encrypted media: disabled.",
            "Numbers → assign {number} to the connection.",
        ),
        traps=(
            "Calls come from the SIP region of the connection (United States unless you choose): "
            "addresses of the others may be taken out.",
            "A page of Telnyx about fail-over names other addresses for Europe, Canada and "
            "Australia. If calls do not arrive, the doctor shows the address they came from.",
        ),
    ),
    Carrier(
        key="plivo",
        label="Plivo",
        about="Zentrunk.",
        source="Plivo: Technical Specifications of Zentrunk, which names no addresses",
        checked="2026-11-21",
        codecs=("PCMU", "PCMA"),
        steps=(
            "Console → Zentrunk → Inbound Trunks → Create New Inbound Trunk.",
            "Primary URI → Add New URI: {host}:{port};transport=tcp",
            "Phone Numbers → Your Numbers → {number} → Application Type: Zentrunk, and the trunk.",
        ),
        traps=(
            "Its addresses are in no page we found. Ask Plivo's support for those of your region; "
            "calls from any other are refused, and the doctor shows where they came from.",
            "Two calls a second are the usual limit of an account.",
        ),
    ),
    Carrier(
        key="pbx",
        label="A PBX of yours",
        about="Asterisk, FreePBX, 3CX, FreeSWITCH, an SBC …",
        is_near=True,
        by_password=True,
        steps=(
            "Make a SIP trunk to {host}, port {port}, UDP. Registration: none.",
            "If you gave a user name: it logs in as {user} (digest authentication) on each INVITE.",
            "Send the number as {number}, with its country code, in the request line.",
            _SETTINGS,
            "Route {number} to that trunk.",
        ),
        traps=(
            _NO_TIMERS,
            "Asterisk: direct_media=no, timers=no, rtp_symmetric=yes for the endpoint.",
            "Behind NAT the PBX has to announce an address we can reach, and we one it can.",
        ),
    ),
    Carrier(
        key="generic",
        label="Another carrier",
        about="Any SIP trunk without registration.",
        by_password=True,
        steps=(
            "Make a trunk or “SIP connection” which sends calls to sip:{host}:{port} (UDP).",
            "If you gave a user name: it logs in as {user} (digest authentication).",
            "Number format: E.164 with country code, as {number}.",
            _SETTINGS,
            "Assign {number} to the trunk.",
        ),
        traps=(
            "A carrier which wants us to register needs a PBX between: we register nowhere.",
            _NO_TIMERS,
        ),
    ),
)
CARRIERS: Mapping[str, Carrier] = {carrier.key: carrier for carrier in _ALL}
