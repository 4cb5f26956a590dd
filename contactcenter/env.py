"""Reads the environment. Every mistake is named at start, not at the first call."""

import os
from ipaddress import ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

from agents import environment

ROOT = Path(__file__).resolve().parent.parent


def load_files() -> None:
    """Add `.env` and the generated `secrets.env` to the environment; what is set already wins."""
    for key, value in (dotenv_values(ROOT / ".env") or {}).items():
        os.environ.setdefault(key, value or "")
    for key, value in (dotenv_values(data_dir() / "secrets.env") or {}).items():
        os.environ.setdefault(key, value or "")


def data_dir() -> Path:
    """Where everything this installation writes lives (`DATA_DIR`, default `var`)."""
    return (ROOT / os.environ.get("DATA_DIR", "var")).resolve()


def text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. See .env.example.")
    return value


def flag(name: str, *, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} is {value!r}; write true or false.")
    return value == "true"


def number(name: str, default: int) -> int:
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError as reason:
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number.") from reason


def words(name: str, default: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str, default: str) -> list[str]:
    """A comma-separated list of IP networks, in their normal form."""
    try:
        return [str(ip_network(word)) for word in words(name, default)]
    except ValueError as reason:
        raise ImproperlyConfigured(
            f"{name}: {reason}. Write networks with commas, as 10.0.0.0/8,192.168.1.7/32."
        ) from reason


def secret(name: str) -> str:
    """`NAME_FILE` (a mounted secret) wins over `NAME`. There are no default secrets."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as reason:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}.") from reason
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. `make up` generates it into DATA_DIR/secrets.env; "
            f"elsewhere set it as .env.example describes."
        )
    return value


def agent_defaults() -> environment.Defaults:
    """What projects run on which do not say otherwise."""
    try:
        return environment.read(os.environ)
    except environment.BadEnvironment as reason:
        raise ImproperlyConfigured(str(reason)) from reason
