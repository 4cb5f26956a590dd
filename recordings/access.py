"""Whose conversations somebody may read. Search and lists ask here, so a limit is said once."""

from django.db.models import Q

from recordings.reading import Viewer, may
from telephony.models import ApiKey

EVERY = Q()
NONE = Q(pk__in=())


def visible_calls(viewer: Viewer | ApiKey) -> Q:
    """Of calls: those whose words this person or program may read."""
    if isinstance(viewer, ApiKey):
        return EVERY if "recordings:read" in viewer.scopes else NONE
    return EVERY if may(viewer, "recordings.view_transcript") else NONE
