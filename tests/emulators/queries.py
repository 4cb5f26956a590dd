"""Strict reading of a request's query: what a provider would not know is refused."""

import re
from collections.abc import Callable, Mapping

from multidict import MultiMapping

Asked = Callable[[str], bool]


class Refused(ValueError):
    """The query is not one the provider knows."""

    @classmethod
    def unless(cls, known: Mapping[str, Asked], query: MultiMapping[str]) -> dict[str, str]:
        """The query as a plain dict (the last of repeated values). Raises Refused."""
        for name, value in query.items():
            if name not in known:
                raise cls(f"Unknown query parameter {name!r}.")
            if not known[name](value):
                raise cls(f"Invalid value {value!r} of the query parameter {name!r}.")
        return dict(query.items())


def text(pattern: str = ".+") -> Asked:
    return lambda value: re.fullmatch(pattern, value) is not None


def boolean() -> Asked:
    return text("true|false")


def one_of(*values: str) -> Asked:
    return lambda value: value in values


def number(least: float, most: float) -> Asked:
    def fits(value: str) -> bool:
        try:
            return least <= float(value) <= most
        except ValueError:
            return False

    return fits
