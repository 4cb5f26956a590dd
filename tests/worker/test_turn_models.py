"""The end-of-turn models which need a download, on a machine which has none."""

import subprocess
import sys

import pytest
from livekit.agents import inference

from agents.worker import turns
from agents.worker.providers import turn
from tests.worker.plan import a_plan

pytestmark = pytest.mark.worker

LOOK = """
from agents.worker.providers import turn
from livekit.agents.inference_runner import _InferenceRunner
turn.register_models()
print(turn.has_weights("english"), sorted(_InferenceRunner.registered_runners))
"""


@pytest.mark.parametrize("name", ["english", "multilingual"])
def test_missing_weights_are_named_with_what_to_do(name):
    with pytest.raises(turn.MissingWeights, match="download-files"):
        turn.turn_detector(name)


def test_a_call_goes_on_with_the_built_in_detector():
    assert isinstance(turns.detector_of(a_plan(turn_detector="english")), inference.TurnDetector)


def test_looking_for_weights_starts_no_process_for_them():
    """In a process of its own: another test may have imported the plugin."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=60
    )
    registered = done.stdout.split(" ", 1)
    assert registered[0] == "False"
    assert "lk_end_of_utterance" not in registered[1]
