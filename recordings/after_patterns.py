"""Whether a supervisor's regular expression may meet what strangers say. Pure.

Python's engine goes back and forth: some expressions need years for forty letters. Those are
refused when they are written, by their shape; the rest needs milliseconds for one turn.
"""

import re
from re import _parser  # type: ignore[attr-defined]  # what was sre_parse
from typing import Any

MOST_REPEATS = 2  # without an end, one after another: the square of a turn's length at most
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
BOUNDED = 30  # {0,30} counts as a repeat without an end from here on


def problem(pattern: str) -> str:
    """Why it is not taken; empty if it is."""
    try:
        tree = _parser.parse(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as reason:
        return f"This is no regular expression: {reason}."
    if tree.state.groups > 2:
        return "At most one group: what is in it is the value."
    if _has(tree, "GROUPREF", "GROUPREF_EXISTS"):
        return "References back to a group are not possible."
    if _nested(tree, inside=False):
        return "A repetition inside a repetition, or a choice inside one, can take for ever."
    if _count(tree) > MOST_REPEATS:
        return f"At most {MOST_REPEATS} repetitions without an end; write {{1,20}} instead of +."
    return ""


def _parts(tree: Any) -> list[tuple[str, Any]]:
    return [(str(op), value) for op, value in tree]


def _trees(value: Any) -> list[Any]:
    """What is inside a part of an expression."""
    if isinstance(value, _parser.SubPattern):
        return [value]
    if isinstance(value, tuple | list):
        return [tree for one in value for tree in _trees(one)]
    return []


def _is_long(op: str, value: Any) -> bool:
    return op in _REPEATS and int(value[1]) > BOUNDED


def _repeats(op: str, value: Any) -> bool:
    return op in _REPEATS and int(value[1]) > 1


def _has(tree: Any, *names: str) -> bool:
    return any(
        op in names or any(_has(inner, *names) for inner in _trees(value))
        for op, value in _parts(tree)
    )


def _nested(tree: Any, *, inside: bool) -> bool:
    for op, value in _parts(tree):
        varies = (op in _REPEATS and value[0] != value[1]) or op == "BRANCH"
        if inside and varies:
            return True
        deeper = inside or _repeats(op, value)
        if any(_nested(inner, inside=deeper) for inner in _trees(value)):
            return True
    return False


def _count(tree: Any) -> int:
    return sum(
        _is_long(op, value) + sum(_count(inner) for inner in _trees(value))
        for op, value in _parts(tree)
    )
