"""`python -m tests.emulators`: every provider on the loopback, until Ctrl-C."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from telephony import demo
from tests.emulators.addresses import PATHS
from tests.emulators.core import PROFILES, Script
from tests.emulators.server import Emulators


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators", description=__doc__)
    parser.add_argument("--port", type=int, default=9900)
    parser.add_argument("--wyoming-port", type=int, default=10200)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="const")
    parser.add_argument("--script", type=Path, help="JSON: utterances, answers, tools")
    parser.add_argument("--json", action="store_true", help="print the addresses as one JSON line")
    return parser.parse_args()


async def run(asked: argparse.Namespace) -> None:
    script = _script(asked)
    emulators = Emulators(asked.profile, script, port=asked.port, wyoming_port=asked.wyoming_port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with emulators:
        print(_addresses(emulators, as_json=asked.json), flush=True)
        await stop.wait()


def _script(asked: argparse.Namespace) -> Script:
    """What --script says, else what callers of the demo ask; a program sends its own later."""
    if asked.script:
        return Script.from_dict(json.loads(asked.script.read_text()))
    if asked.json:
        return Script()
    answers = {q: e["answer"] for e in demo.FAQ for q in (e["question"], *_lines(e["variants"]))}
    return Script.of(list(answers), {**answers, "*": demo.ASK_BACK})


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _addresses(emulators: Emulators, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"base": emulators.base, "wyoming": emulators.wyoming_url})
    where = [f"{name:12}{emulators.url(name)}" for name in PATHS]
    wyoming = f"{'wyoming':12}{emulators.wyoming_url}"
    lines = [*where, wyoming, "", *(f"{k}={v}" for k, v in emulators.environment().items()), ""]
    return "\n".join([*lines, f"control     {emulators.base}/_control/state (Ctrl-C ends)"])


if __name__ == "__main__":
    try:
        asyncio.run(run(arguments()))
    except OSError as reason:
        sys.exit(
            f"The emulators did not start ({reason}). Choose other ports: --port, --wyoming-port."
        )
