"""The names of objects in a store, by a template. Pure."""

import re
from datetime import datetime

DEFAULT = "{project}/{yyyy}/{mm}/{dd}/{call}"
LONGEST = 120  # with project and call in it a key stays below the column's 255
PLACES = ("project", "yyyy", "mm", "dd", "hh", "call")
_PLACE = re.compile(r"\{(\w*)\}")
_SAFE = re.compile(r"[\w!.*'()/=@+-]*")  # what every store and every address takes as it is


def fault(template: str) -> str:
    """What is wrong with a template, for whoever wrote it; empty if nothing is."""
    unknown = [name for name in _PLACE.findall(template) if name not in PLACES]
    rest = _PLACE.sub("", template)
    if unknown:
        return f"“{{{unknown[0]}}}” means nothing here. There are: {_listed()}."
    if "call" not in _PLACE.findall(template):
        return "Without {call} all calls would have one name. Add it, best at the end."
    if not _SAFE.fullmatch(rest):
        return f"Write letters, digits, /, -, _ and ., and the places {_listed()}."
    parts = template.split("/")
    if "" in parts or "." in parts or ".." in parts:
        return "A name neither begins nor ends with /, and has no empty part, no . and no .. in it."
    return ""


def key(template: str, *, project: str, at: datetime, call: str, extension: str) -> str:
    """The name of one call's recording. The call's own part is kept whole: it makes it unique."""
    values = {
        "project": project,
        "yyyy": f"{at:%Y}",
        "mm": f"{at:%m}",
        "dd": f"{at:%d}",
        "hh": f"{at:%H}",
        "call": call,
    }
    return f"{_PLACE.sub(lambda place: values[place[1]], template)}.{extension}"


def beside(key: str, suffix: str) -> str:
    """The name of another part of the same recording: `a/b.ogg` and `2` make `a/b-2.ogg`."""
    stem, dot, extension = key.rpartition(".")
    return f"{stem}-{suffix}{dot}{extension}"


def _listed() -> str:
    return ", ".join(f"{{{place}}}" for place in PLACES)
