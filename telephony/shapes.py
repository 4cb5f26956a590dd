"""What people type: numbers and addresses. Each error names value, reason and next step. Pure."""

import re
from ipaddress import ip_address, ip_network

import phonenumbers


class Misshapen(ValueError):
    """The text is for the person who typed it."""


_REASONS = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "it does not begin with a country",
    phonenumbers.NumberParseException.NOT_A_NUMBER: "it is no telephone number",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "it is too short",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "it is too short",
    phonenumbers.NumberParseException.TOO_LONG: "it is too long",
}


def e164(text: str) -> str:
    """The number as +<country><number>. Raises Misshapen."""
    step = "Write it with its country code, as +12025550100."
    try:
        number = phonenumbers.parse(text.strip(), None)
    except phonenumbers.NumberParseException as reason:
        why = _REASONS.get(reason.error_type, "it cannot be read")
        raise Misshapen(f"“{text}” cannot be used: {why}. {step}") from reason
    if not phonenumbers.is_possible_number(number):
        raise Misshapen(f"“{text}” cannot be used: no number of that country is so long. {step}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


_SIP_URI = re.compile(r"sip:([\w.+-]{1,64})@([A-Za-z0-9.-]{1,120}(?::[0-9]{1,5})?)")
_POST_DIAL = re.compile(r"[0-9*#wA-D]{0,32}")


def destination(text: str) -> str:
    """Where a caller may be sent: a number, or sip:user@host of a PBX. Raises Misshapen."""
    text = text.strip()
    if not text.lower().startswith("sip"):
        return e164(text)
    if not _SIP_URI.fullmatch(text):
        raise Misshapen(
            f"“{text}” is no address of a telephone system. Write sip:user@host or "
            f"sip:user@host:port, with nothing behind it."
        )
    return text


def post_dial(text: str) -> str:
    """Digits sent after the answer; w waits half a second. Raises Misshapen."""
    text = "".join(text.split()).replace(",", "ww")
    if not _POST_DIAL.fullmatch(text):
        raise Misshapen(
            f"“{text}” cannot be sent. Write at most 32 of the keys 0-9, * and #, and w for a "
            f"pause of half a second, as ww12."
        )
    return text


def readable(number: str) -> str:
    """A number as people read it, +1 202-555-0100; whatever is none stays as it is."""
    try:
        found = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def searched(text: str) -> str:
    """What to look for when somebody searches: of a number, however written, the digits which all
    ways of writing it share. 00 abroad and 0 at home stand before those."""
    digits = "".join(c for c in text if c.isdigit())
    is_number = bool(digits) and not set(text) - set("0123456789+-–()./ ")
    return digits.lstrip("0") or digits if is_number else text


_WIDEST = {4: 8, 6: 32}  # prefix bits; wider than this is a good part of the Internet


def network(text: str) -> str:
    """An IP address or network in its normal form. Raises Misshapen.

    LiveKit drops entries it cannot read, and a list of which nothing remains lets everybody in.
    """
    text = text.strip()
    try:
        net = ip_network(text)
    except ValueError as reason:
        hint = _host_bits(text) or "Write an IP address or a network such as 203.0.113.0/28."
        raise Misshapen(f"“{text}” is no address or network ({reason}). {hint}") from reason
    if net.prefixlen < _WIDEST[net.version]:
        raise Misshapen(
            f"“{text}” would let {'everyone' if net.prefixlen == 0 else 'far too many'} call in. "
            f"Write the provider's own networks; /{_WIDEST[net.version]} is the widest accepted."
        )
    return str(net) if "/" in text else str(ip_address(text))


def address(text: str) -> str:
    """One IP address in its normal form. Raises Misshapen."""
    try:
        return str(ip_address(text.strip()))
    except ValueError as reason:
        raise Misshapen(
            f"“{text}” is no IP address. Write the one your carrier's calls come from, "
            f"as 203.0.113.7, or leave it empty."
        ) from reason


def _host_bits(text: str) -> str:
    try:
        return f"Did you mean {ip_network(text, strict=False)}?"
    except ValueError:
        return ""


def edge_host(text: str) -> str:
    """host or host:port as the edge writes it into messages. Raises Misshapen."""
    text = sip_host(text)
    if text and not re.fullmatch(r"[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?", text):
        raise Misshapen(f"“{text}” is no host. Write a name or an IPv4 address, and a port if any.")
    return text


def sip_user(text: str) -> str:
    """The name we register under, as it stands in a SIP address. Raises Misshapen."""
    if not re.fullmatch(r"[\w.!~*'()&=+$,?/%-]{1,120}", text, re.ASCII):
        raise Misshapen(
            f"“{text}” is no SIP user name. Write the part before the @, without blanks."
        )
    return text


def sip_host(text: str) -> str:
    """host or host:port of a provider, as LiveKit wants it. Raises Misshapen."""
    text = text.strip()
    if text.startswith(("sip:", "sips:")) or any(c in text for c in "@;/ "):
        raise Misshapen(
            f"“{text}” is no host. Write host or host:port only, without sip:, @ or ;transport=."
        )
    return text
