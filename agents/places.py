"""Texts with places, as {name} or {name|what is said otherwise}. Pure."""

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{([^\W\d]\w*)(?:\|([^{}]*))?\}")


def filled(text: str, values: Mapping[str, str]) -> str:
    """For an empty or unknown value stands what is said otherwise, or nothing, without a gap. A
    value is never read for places. A text without places stays exactly as it is."""
    if not _PLACE.search(text):
        return text
    words = _PLACE.sub(lambda place: values.get(place[1], "") or place[2] or "", text)
    return re.sub(r"\s+([,.!?;:])", r"\1", " ".join(words.split()))
