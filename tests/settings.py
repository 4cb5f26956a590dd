"""The product's settings with throw-away secrets: for tests and for mypy's Django plugin."""

import os

for _name, _value in {
    "DATA_DIR": "var/tests",
    "SECRET_KEY": "tests-only-secret-key-which-is-long-enough-for-django",
    "LIVEKIT_API_SECRET": "tests-only-livekit-secret-of-40-letters!",
    "SEAL_KEY": "dGVzdHMtb25seS1zZWFsLWtleS1vZi0zMi1ieXRlcyE=",
    "WORKER_TOKEN": "tests-only-worker-token",
    "S3_ACCESS_KEY": "tests-access",
    "S3_SECRET_KEY": "tests-only-s3-secret",
}.items():
    os.environ[_name] = _value

from agents import environment  # noqa: E402
from contactcenter.settings import *  # noqa: E402, F403

AGENT_DEFAULTS = environment.read({})  # whatever this machine has keys for
