"""What a language model of the script says next, whichever protocol carries it."""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.emulators.core import Script

CACHED_FROM = 1024  # tokens of prompt; below, providers cache nothing


@dataclass(frozen=True)
class Answer:
    tokens: list[str]  # of the text, or of a tool's arguments: a word with the space before it
    tool: str = ""
    prompt_tokens: int = 0

    @classmethod
    def to(cls, messages: list[dict[str, Any]], script: Script, offered: set[str]) -> "Answer":
        """To the last message: a tool call if the script wants one and the tool is offered,
        words otherwise, and always words after a tool's result."""
        prompt = sum(len(words) for words in map(_tokens, _texts(messages)))
        said = _asked(messages, script)
        wanted = script.tool_for(said) if messages and _is_said(messages[-1]) else None
        if wanted and wanted["tool"] in offered:
            arguments = json.dumps(wanted.get("arguments", {}))
            return cls(_tokens(arguments), wanted["tool"], prompt_tokens=prompt)
        return cls(_tokens(script.answer_to(said)), prompt_tokens=prompt)

    @property
    def cached_tokens(self) -> int:
        """Every second thousand, say."""
        return self.prompt_tokens // 2 if self.prompt_tokens >= CACHED_FROM else 0


def _asked(messages: list[dict[str, Any]], script: Script) -> str:
    """What the caller said last, as far as the script knows it: some protocols carry the
    product's own directions as a user's message."""
    said = [text_of(message) for message in reversed(messages) if _is_said(message)]
    return next((text for text in said if script.knows(text)), said[0] if said else "")


def text_of(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")


def identity(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def _is_said(message: dict[str, Any]) -> bool:
    return message.get("role") == "user" and bool(text_of(message))


def _texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    return (text_of(message) for message in messages)


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)
