"""Guards an answer against the turn it has answered already, if that turn ends late.

While it is up, what the caller said before asks for nothing more, and its end cuts nobody.
"""

from livekit.agents.voice import SpeechHandle


class Shield:
    def __init__(self) -> None:
        self.up = False
        self._guarded: list[SpeechHandle] = []

    def guard(self, speech: SpeechHandle) -> SpeechHandle:
        """`speech` can be interrupted again as soon as this is lowered."""
        if self.up:
            speech.allow_interruptions = False
            self._guarded.append(speech)
        return speech

    def lower(self) -> None:
        """What the caller does from now on counts. Safe to repeat."""
        self.up = False
        for speech in self._guarded:
            speech.allow_interruptions = True
        self._guarded.clear()
