"""Takes noise out of the caller's line, on this machine: WebRTC's audio processing.

The recording keeps what came over the line; only the recogniser and the voice detector hear this.
"""

import numpy as np
from livekit import rtc

STEP_MS = 10  # what the module works on


class Cleaner:
    """For one line: it learns the noise of the last second. Mono frames of whole 10 ms."""

    def __init__(self) -> None:
        self._module = rtc.AudioProcessingModule(
            echo_cancellation=False, noise_suppression=True, high_pass_filter=True,
            auto_gain_control=False,
        )  # fmt: skip

    def clean(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        """A new frame of the same length. Takes about 0.05 ms for 20 ms."""
        samples = np.frombuffer(frame.data, dtype=np.int16)
        step = frame.sample_rate * STEP_MS // 1000
        out = np.empty_like(samples)
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            part = rtc.AudioFrame(piece.tobytes(), frame.sample_rate, 1, len(piece))
            if len(piece) == step:
                self._module.process_stream(part)
            out[start : start + step] = np.frombuffer(part.data, dtype=np.int16)
        return rtc.AudioFrame(out.tobytes(), frame.sample_rate, 1, len(out))
