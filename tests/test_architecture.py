"""The import rules of ARCHITECTURE.md. Change them there and here, or not at all."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
PACKAGES = ("contactcenter", "agents", "telephony", "recordings", "deploy")

# module prefix → the only places which may import it
RESERVED = {
    "livekit.api": {
        "telephony/gateway.py",
        "telephony/gateway_ingress.py",
        "telephony/webhook.py",
        "agents/worker",
    },
    "livekit.agents": {"agents/worker"},
    "livekit.plugins": {"agents/worker/providers"},
    "agents.worker": {"agents/worker"},
    "boto3": {"recordings/storage.py"},
    "ninja": {"telephony/api", "recordings/api.py", "recordings/api_search.py"},
    "recordings": {"recordings", "contactcenter"},
    "telephony": {"telephony", "recordings", "contactcenter", "deploy"},
    "contactcenter": {"contactcenter"},
    "deploy": {"deploy"},
}
# these run without Django; of our own code they may import only each other
PURE = {
    "agents/plan.py",
    "agents/menus.py",
    "agents/card.py",
    "agents/consent.py",
    "agents/entries.py",
    "agents/entrance.py",
    "agents/order.py",
    "agents/places.py",
    "agents/providers.py",
    "agents/seal.py",
    "agents/hosts.py",
    "agents/house.py",
    "agents/environment.py",
    "agents/worker",
    "telephony/caller",
    "telephony/lifecycle.py",
    "telephony/sync.py",
    "telephony/shapes.py",
    "telephony/hours.py",
    "telephony/carriers_known.py",
    "telephony/findings.py",
    "telephony/siplog.py",
    "telephony/carriers",
    "telephony/policy.py",
    "telephony/dialling.py",
    "telephony/numberlist.py",
    "telephony/errors.py",
    "telephony/scopes.py",
    "telephony/hook_signature.py",
    "telephony/hook_address.py",
    "telephony/hook_door.py",
    "telephony/ingress.py",
    "telephony/ingress_address.py",
    "telephony/edge.py",
    "recordings/choices.py",
    "recordings/layout.py",
    "recordings/lifecycle.py",
    "recordings/places.py",
    "recordings/redaction.py",
    "recordings/finders.py",
    "recordings/finders_bank.py",
    "recordings/finders_person.py",
    "recordings/numerals.py",
    "recordings/spanning.py",
    "recordings/timing.py",
    "recordings/words.py",
    "recordings/queries.py",
    "recordings/snippets.py",
    "recordings/after_lexicon.py",
    "recordings/after_patterns.py",
    "recordings/after_prompt.py",
    "recordings/after_rules.py",
    "recordings/after_values.py",
    "recordings/after_wants.py",
    "deploy",
}


def imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def inside(path: str, places: set[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


def is_pure(name: str) -> bool:
    return any(f"{name}.".startswith(p.removesuffix(".py").replace("/", ".") + ".") for p in PURE)


def broken_rules(here: str, names: set[str]) -> list[str]:
    found = []
    for name in sorted(names):
        for prefix, places in RESERVED.items():
            if (name == prefix or name.startswith(f"{prefix}.")) and not inside(here, places):
                found.append(f"{here} must not import {name}")
        if inside(here, PURE):
            # deploy asks a worker whether it answers; it runs no task
            barred = {"django"} if inside(here, {"deploy"}) else {"django", "celery"}
            if name.split(".")[0] in barred:
                found.append(f"{here} must not need {name}")
            if is_ours(name) and not is_pure(name):
                found.append(f"{here} must not import {name}")
    return found


MODULES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts
]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_the_right_way(path):
    assert broken_rules(path.relative_to(ROOT).as_posix(), imported_by(path)) == []


@pytest.mark.parametrize(
    ("here", "name"),
    [
        ("telephony/services.py", "recordings.models"),
        ("agents/worker/session.py", "django.conf"),
        ("agents/worker/session.py", "agents.models"),
        ("recordings/services.py", "boto3"),
        ("telephony/tasks.py", "livekit.api"),
        ("agents/services.py", "agents.worker.pipeline"),
        ("telephony/models.py", "contactcenter.settings"),
    ],
)
def test_a_forbidden_import_is_noticed(here, name):
    assert broken_rules(here, {name})


def test_no_module_grows_past_its_size():
    """Split by noun at 400 lines (ARCHITECTURE.md)."""
    long = {
        str(p.relative_to(ROOT)): n for p in MODULES if (n := len(p.read_text().splitlines())) > 400
    }
    assert long == {}
