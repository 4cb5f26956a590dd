"""Log files of the embedded profile: our own name no numbers, but LiveKit's name rooms and SIP
addresses. Numbers in them are overwritten where they stand, with letters of the same length, so
that whoever is writing a file goes on undisturbed.
"""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from telephony.written import Written

FOLDERS = ("log",)  # of DATA_DIR, as deploy/embedded makes them
LONGEST_LINE = 2**20


def scrub(written: Written) -> int:
    """How many lines were changed. Files elsewhere (of containers, of journald) are not ours."""
    return sum(_scrub(path, written) for path in files())


def files() -> Iterator[Path]:
    for name in FOLDERS:
        folder = Path(settings.DATA_DIR) / name
        if folder.is_dir():
            yield from sorted(path for path in folder.rglob("*.log*") if path.is_file())


def _scrub(path: Path, written: Written) -> int:
    changed = 0
    with path.open("r+b") as file:
        while line := file.readline(LONGEST_LINE):
            # one byte a letter, so that positions stay
            text = line.decode("latin-1")
            clean = written.pattern.sub(lambda found: "x" * len(found[0]), text)
            if clean != text:
                here = file.tell()
                file.seek(here - len(line))
                file.write(clean.encode("latin-1"))
                file.seek(here)
                changed += 1
    return changed
