"""Two sizes of one thing, each a database on one PostgreSQL with a process of its own, in turns."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def as_installed() -> None:
    """Of a child: the whole of Django, without what a web server does beside it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "whitenoise" not in m]


def compared(module: str, sizes: dict[str, int], rounds: int) -> dict[str, list[Any]]:
    """What the children said, by name of their size. `module` is run as `child COUNT`: it says
    {"ready": COUNT}, and then a line of JSON for each line it is sent."""
    sys.path.insert(0, str(ROOT))
    from tests import postgres

    with postgres.running() as url:
        for name in sizes:
            subprocess.run(["psql", "-q", url, "-c", f"create database {name}"], check=True)
        children = {
            name: _spawned(module, url.replace("/postgres", f"/{name}"), count)
            for name, count in sizes.items()
        }
        for name, process in children.items():
            print(f"{name}: {_line(process)['ready']:,} calls", flush=True)
        results: dict[str, list[Any]] = {name: [] for name in children}
        for at in range(rounds + 1):
            for name, process in children.items():
                assert process.stdin
                process.stdin.write("\n")
                process.stdin.flush()
                if (found := _line(process)) and at:  # the first one warms up
                    results[name].append(found)
        for process in children.values():
            process.communicate()
    return results


def _spawned(module: str, url: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module, "child", str(count)], cwd=ROOT, text=True,
        env={**os.environ, "DATABASE_URL": url}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def _line(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout
    return json.loads(process.stdout.readline())
