"""`python -m deploy.edge FOLDER`: writes Kamailio's files there and becomes Kamailio."""

import os
import shlex
import sys
from pathlib import Path

from deploy.edge.config import BadEdge, command, files, from_environment


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) == 2 else "/run/edge").resolve()
    os.umask(0o077)  # the token is inside
    folder.mkdir(parents=True, exist_ok=True)
    try:
        texts = files(from_environment(os.environ, folder))
    except BadEdge as what:
        sys.exit(f"edge: {what}")
    for name, text in texts.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text)
    program, *options = shlex.split(command(folder))
    os.execvp(program, [program, *options])  # noqa: S606 our own words


if __name__ == "__main__":
    main()
