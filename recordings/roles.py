"""The product's four groups, and what they may do. `manage.py makeroles` makes them so.

reviewer       reads and hears calls, comments on them
supervisor     also runs bots and lines, and what is being called
administrator  everything, also users, keys, retention and erasure
auditor        sees which calls there were, and who looked at what; hears and reads none
"""

from collections.abc import Iterator

from django.contrib.auth.models import Group, Permission

REVIEWER, SUPERVISOR, ADMINISTRATOR, AUDITOR = (
    "reviewer", "supervisor", "administrator", "auditor",
)  # fmt: skip
PAGES = ("agents", "telephony", "recordings")
# of each app's tables: what a reviewer may do, if they are there
_REVIEWER = {
    "telephony.view_call", "telephony.view_leg",
    "recordings.view_recording", "recordings.view_transcript", "recordings.view_spokenturn",
    "recordings.view_callinsight", "recordings.view_fieldvalue", "recordings.view_soundshape",
    "recordings.view_review", "recordings.add_review", "recordings.change_review",
    "recordings.view_remark", "recordings.add_remark", "recordings.change_remark",
    "recordings.delete_remark", "recordings.view_tag", "recordings.add_tag",
    "recordings.view_calltag", "recordings.add_calltag", "recordings.delete_calltag",
    "recordings.view_sharelink", "recordings.add_sharelink", "agents.view_project",
}  # fmt: skip
_AUDITOR = {
    "telephony.view_call", "telephony.view_legalhold", "recordings.view_accesslog",
    "recordings.view_callerrequest", "recordings.view_keeprule",
}  # fmt: skip
# what a supervisor may not: other people's rights, keys, and what is kept or erased
_RESERVED = {
    "telephony.apikey", "telephony.subscription", "telephony.legalhold", "telephony.projectlimit",
    "telephony.erasedname", "telephony.suppressednumber", "telephony.inboundevent",
    "recordings.accesslog", "recordings.callerrequest", "recordings.keeprule",
    "recordings.keepprogress", "recordings.putoff", "recordings.forgotten",
    "recordings.deleteagain",
}  # fmt: skip
_LOOKED_AT = {"recordings.keeprule", "telephony.legalhold", "recordings.callerrequest"}


def make() -> dict[str, int]:
    """Make the groups, or make them so again. Returns how many permissions each has. Whoever wants
    other rights makes a group of his own: these four follow the release."""
    found = {}
    for name, permissions in _wanted().items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(permissions)
        found[name] = len(permissions)
    return found


def _wanted() -> dict[str, list[Permission]]:
    known = list(Permission.objects.select_related("content_type"))
    return {
        REVIEWER: [one for one in known if _label(one) in _REVIEWER],
        SUPERVISOR: list(_of_supervisors(known)),
        ADMINISTRATOR: known,
        AUDITOR: [one for one in known if _label(one) in _AUDITOR],
    }


def _of_supervisors(known: list[Permission]) -> Iterator[Permission]:
    for one in known:
        table = f"{one.content_type.app_label}.{one.content_type.model}"
        is_look = one.codename.startswith("view_")
        if (table in _LOOKED_AT and is_look) or (
            one.content_type.app_label in PAGES and table not in _RESERVED
        ):
            yield one


def _label(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
