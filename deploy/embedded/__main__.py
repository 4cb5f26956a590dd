"""`python -m deploy.embedded up|down|status|logs|call|demo`: what the Makefile calls."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from types import FrameType

from deploy.embedded import call as calling
from deploy.embedded import lifecycle, parts
from deploy.embedded.home import Home, Trouble, load


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command not in COMMANDS:
        print(__doc__)
        return 2
    try:
        return COMMANDS[command](load())
    except Trouble as what:
        print(f"\n{command}: {what}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `make status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"\n{command}: stopped.", file=sys.stderr)
        return 130


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def up(home: Home) -> int:
    lifecycle.up(home)
    print(f"\n{where(home)}")
    return 0


def down(home: Home) -> int:
    lifecycle.down(home)
    return 0


def status(home: Home) -> int:
    """Exit code 0 when every part is ready."""
    rows = parts.report(home)
    if os.environ.get("FORMAT") == "json":
        print(json.dumps(summary(home) | {"parts": rows}, indent=2))
    else:
        for row in rows:
            print(f"  {row['name']:<16}{row['state']:<10}{row['address']}")
        print(f"\n{where(home)}")
    return 0 if all(row["state"] == "ready" for row in rows) else 1


def summary(home: Home) -> dict[str, object]:
    return {
        "sip_uri": home.sip_uri,
        "admin_url": home.admin_url,
        "login": "admin",
        "password": home.env["ADMIN_PASSWORD"],
        "data_dir": str(home.data),
    }


def where(home: Home) -> str:
    return (
        f"Admin      {home.admin_url}   login admin, password {home.env['ADMIN_PASSWORD']}\n"
        f"Softphone  {home.sip_uri}   on this machine, no account, G.711, DTMF by RFC 4733\n"
        f'Call       make call SAY="What are your opening hours?"\n'
        f"Stop       make down"
    )


def logs(home: Home) -> int:
    part = os.environ.get("PART", "")
    names = [part] if part else [p.name for p in parts.all_parts(home)]
    files = [str(home.logs / f"{name}.log") for name in names]
    missing = [name for name in files if not os.path.exists(name)]  # noqa: PTH110
    if missing:
        raise Trouble(f"No such log: {missing[0]}. Parts: {', '.join(names)}.")
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(["tail", "-n", "20", "-F", *files], check=False)
    return 0


def call(home: Home) -> int:
    return calling.place(home)


def demo(home: Home) -> int:
    """A demo that fails leaves things as it found them."""
    guard = lifecycle.or_stop(home) if lifecycle.up(home) else contextlib.nullcontext()
    with guard:
        code = calling.demo(home)
    print(f"\n{where(home)}")
    return code


COMMANDS = {"up": up, "down": down, "status": status, "logs": logs, "call": call, "demo": demo}

if __name__ == "__main__":
    sys.exit(main())
