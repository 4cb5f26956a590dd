"""`make bench`: arms in turn, then how many calls each holds, then the table. See ../README.md.

Exit code 0 whatever the figures are; 1 when it could not be measured.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from types import FrameType

from agents.plan import Speed
from deploy.embedded.home import Trouble
from telephony.caller.speech import NoVoice
from tests.bench.yardstick import effects, run
from tests.bench.yardstick.rig import product
from tests.bench.yardstick.run import Asked
from tests.bench.yardstick.scenario import Sizes
from tests.emulators.core import PROFILES


def main() -> int:
    signal.signal(signal.SIGTERM, _as_interrupt)
    begun = time.monotonic()
    try:
        asked = settings()
        with tempfile.TemporaryDirectory(prefix="cc-yardstick-") as folder, product(folder) as it:
            asyncio.run((effects.effects if asked.off else run.run)(it, asked))
    except (Trouble, NoVoice) as what:
        print(f"\nbench: {what}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: stopped.", file=sys.stderr)
        return 130
    print(f"It took {(time.monotonic() - begun) / 60:.1f} minutes.")
    return 0


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def settings() -> Asked:
    """From the environment. Raises Trouble."""
    off = _off()
    usual = effects.SIZES if off else Sizes()
    sizes = Sizes(
        plain=_count("TURNS", usual.plain),
        faq=_count("FAQ_TURNS", usual.faq),
        short=_count("SHORT_TURNS", usual.short),
        pauses=_count("PAUSE_TURNS", usual.pauses),
        barges=_count("BARGE_TURNS", usual.barges),
        blocks=_count("BLOCKS", usual.blocks, least=1),
        call_turns=_count("CALL_TURNS", usual.call_turns, least=1),
    )
    profile = os.environ.get("PROFILE") or "const"
    if profile not in PROFILES:
        raise Trouble(f"PROFILE is {profile!r}; write one of {', '.join(sorted(PROFILES))}.")
    return Asked(
        sizes, profile, _count("SEED", 7), off, at_once=_count("CALLS_AT_ONCE", 6),
        step_s=_count("STEP_S", 20, least=1),
    )  # fmt: skip


def _count(name: str, default: int, *, least: int = 0) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or not least <= int(text) < 10_000:
        raise Trouble(f"{name} is {text!r}; write a number from {least} to 9999.")
    return int(text)


def _off() -> tuple[str, ...]:
    known = list(Speed.__dataclass_fields__)
    asked = [word.strip() for word in os.environ.get("FEATURES", "").split(",") if word.strip()]
    if asked == ["all"]:
        return tuple(name for name in known if getattr(Speed(), name))
    if unknown := [word for word in asked if word not in known]:
        raise Trouble(f"FEATURES names {unknown[0]!r}; write all, or some of {', '.join(known)}.")
    return tuple(asked)


if __name__ == "__main__":
    sys.exit(main())
