"""Documents stay true with the code."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
READS = re.compile(
    r"""(?:env\.(?:text|flag|number|words|networks|secret)|_?(?:text|flag|number|secret))\(\s*"([A-Z][A-Z0-9_]+)\""""
)
ENVIRON = re.compile(r"""environ(?:\.get\(|\[|\.setdefault\()\s*"([A-Z][A-Z0-9_]+)\"""")
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "PATH", "HOME", "TESTS_ISOLATED"}


def settings_read() -> set[str]:
    found: set[str] = set()
    for package in ("contactcenter", "agents", "telephony", "recordings", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            found |= set(READS.findall(text)) | set(ENVIRON.findall(text))
    return {name for name in found if not name.startswith("LIVEKIT_AGENTS_")} - NOT_SETTINGS


def test_every_setting_is_in_the_example_file():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", example, re.M))
    assert settings_read() - named == set()


def tracked() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [name for name in listing.split("\0") if name]


def test_no_lock_file_names_a_registry():
    locks = [
        n for n in tracked() if re.search(r"requirements/.*\.txt$|package-lock\.json$|\.sum$", n)
    ]
    assert locks
    assert [n for n in locks if re.search(r"https?://|index-url", (ROOT / n).read_text())] == []


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.M))
    named = set(re.findall(r"`?make ([a-z][a-z0-9-]*)", (ROOT / "README.md").read_text()))
    assert named
    assert named - targets == set()


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "deploy/README.md"]
)
def test_every_file_a_page_links_to_exists(page):
    text = (ROOT / page).read_text()
    links = [
        target.partition("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not target.startswith(("http", "#", "mailto:"))
    ]
    missing = [t for t in links if t and not ((ROOT / page).parent / t).exists()]
    assert missing == []
