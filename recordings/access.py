"""Whose conversations somebody may read. Search and lists ask here, so a limit is said once."""

from django.db.models import Q

from recordings.reading import Viewer, may
from telephony.models import ApiKey
from telephony.visible import within_projects

EVERY = Q()
NONE = Q(pk__in=())
READS, HEARS = "recordings.view_transcript", "recordings.view_recording"


def visible_calls(viewer: Viewer | ApiKey) -> Q:
    """Of calls: those whose words this person or program may read."""
    if isinstance(viewer, ApiKey):
        return EVERY if "recordings:read" in viewer.scopes else NONE
    return within_projects(viewer) if may(viewer, READS) else NONE
