"""Whether a supervisor's regular expression is fit to be run over whatever a caller says. Pure."""

import re

_LONGEST = 200
_NESTED = re.compile(r"[*+}]\)?\s*[*+{]|\([^()]*[*+}][^()]*\)\s*[*+{]|\([^()]*\|[^()]*\)\s*[*+]")
_BACK = re.compile(r"\\[1-9]|\(\?P=")


def fault(pattern: str) -> str:
    """What is wrong with it, in words; empty if nothing is."""
    if len(pattern) > _LONGEST:
        return f"longer than {_LONGEST} characters."
    try:
        compiled = re.compile(pattern)
    except re.error as reason:
        return f"no regular expression ({reason})."
    if compiled.match("") or compiled.fullmatch(" "):
        return "finds the empty text, so it would find everything."
    if _NESTED.search(pattern) or _BACK.search(pattern):
        return "repeats what repeats, which may take for ever on an odd text. Write it plainly."
    return ""
