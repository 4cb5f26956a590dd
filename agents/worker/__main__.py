"""`python -m agents.worker start`, or `download-files` for the weights of end-of-turn models."""

import asyncio
import os
import sys

from agents.worker import config, logs


def main(arguments: list[str]) -> int:
    if arguments == ["download-files"]:
        from agents.worker.providers.turn import download

        download()
        return 0
    if arguments != ["start"]:
        sys.stderr.write("Usage: python -m agents.worker start | download-files\n")
        return 2
    try:
        settings = config.load()
    except config.BadConfig as reason:
        sys.stderr.write(f"{reason}\n")
        return 2
    # one thread for each process: there are more processes than cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logs.set_up(settings.log_level)
    settings.make_folders()
    from agents.worker import server

    return asyncio.run(server.serve(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
