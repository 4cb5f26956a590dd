"""What this app raises on purpose. The type decides the retry, the text is for a supervisor."""


class RecordingError(Exception):
    """Base of what this app raises on purpose."""


class StoreUnavailable(RecordingError):
    """The object store did not answer. Trying again later may work."""


class StoreRefused(RecordingError):
    """The object store said no: credentials, bucket or permission. A person must look."""


class ObjectWrong(RecordingError):
    """The object is missing, or is not what was promised. It has to be uploaded again."""


class SecondRecording(RecordingError):
    """A call has one recording. Whoever brings another one keeps it."""


class UploadUnderWay(RecordingError):
    """Another file of the same call is on its way. Trying again later may work."""


class BadEntries(RecordingError):
    """A journal delivery that cannot be read; sending it again will not help."""


class BackupTooEarly(RecordingError):
    """Whether the worker's file is needed is not known yet. It keeps it and asks again."""

    def __init__(self) -> None:
        super().__init__("Egress has not finished with this call. Keep the file and ask again.")


class SoundBroken(RecordingError):
    """A file which cannot be read as sound, or not masked. Trying again will not help."""


class RequestRefused(RecordingError):
    """What a caller asked for cannot be done. The text says why."""
