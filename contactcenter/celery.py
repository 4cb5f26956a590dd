"""The Celery app and the beat schedule as one table. No task bodies."""

import os

from celery import Celery
from celery.schedules import crontab
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "contactcenter.settings")

LATER = "later"  # taken when the queue of what calls wait for is empty
CAN_WAIT = (
    "recordings.tasks.after_call",
    "recordings.tasks.count_calls",
    "recordings.tasks.index_turns",
    "recordings.tasks.keep",
    "recordings.tasks.mask_recording",
    "recordings.tasks.work_request",
    "recordings.tasks_checks.go_on_checking",
    "recordings.tasks_checks.go_on_exporting",
    "recordings.tasks_checks.roll_up_missed",
    "recordings.tasks_review.draw_sound",
)

app = Celery("contactcenter")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # The anonymous exchange needs no binding in Redis, so an emptied Redis loses no route.
    task_queues=[Queue(name, Exchange(""), routing_key=name) for name in ("celery", LATER)],
    task_default_exchange="",
    task_default_routing_key="celery",
    task_routes={task: {"queue": LATER, "routing_key": LATER} for task in CAN_WAIT},
    broker_transport_options={"queue_order_strategy": "sorted"},  # celery, then later
    worker_prefetch_multiplier=1,
    task_time_limit=120,
    beat_schedule={
        "sweep events nobody handled": {"task": "telephony.tasks.sweep_events", "schedule": 10.0},
        "compare LiveKit with us": {"task": "telephony.tasks.audit", "schedule": 10.0},
        "compare the SIP edge with us": {"task": "telephony.tasks.sync_edge", "schedule": 15.0},
        "ask LiveKit what hooks lost": {"task": "telephony.tasks.reconcile_calls", "schedule": 5.0},
        "tell workers whom to transfer": {
            "task": "telephony.tasks.deliver_transfers",
            "schedule": 5.0,
        },
        "compare ingress with us": {"task": "telephony.tasks.audit_ingress", "schedule": 15.0},
        "tell workers whose recording pauses": {
            "task": "telephony.tasks.deliver_pauses",
            "schedule": 5.0,
        },
        "make calls which are due": {"task": "telephony.tasks.sweep_outbound", "schedule": 5.0},
        "see to recordings and transcripts": {"task": "recordings.tasks.sweep", "schedule": 10.0},
        "look for files egress gave up": {
            "task": "recordings.tasks.recover_egress",
            "schedule": 300.0,
        },
        "go on after calls": {"task": "recordings.tasks.sweep_after", "schedule": 10.0},
        "draw sound, release forgotten reviews": {
            "task": "recordings.tasks_review.sweep_reviews",
            "schedule": 60.0,
        },
        "send webhooks which are due": {
            "task": "telephony.tasks.sweep_deliveries",
            "schedule": 10.0,
        },
        "forget old webhooks": {"task": "telephony.tasks.forget_told", "schedule": 600.0},
        # at an hour: an interval would begin anew with each restart of beat
        "forget old hooks": {
            "task": "telephony.tasks.forget_hooks",
            "schedule": crontab(hour="3", minute="10"),
        },
        "make old transcripts searchable": {
            "task": "recordings.tasks.index_turns",
            "schedule": 300.0,
        },
        "delete what was kept long enough": {
            "task": "recordings.tasks.keep",
            "schedule": crontab(hour="2", minute="20"),
        },
        "go on with requests of callers": {
            "task": "recordings.tasks.sweep_requests",
            "schedule": 30.0,
        },
        "forget steps after calls": {
            "task": "recordings.tasks.forget_steps",
            "schedule": crontab(minute="20"),
        },
        "watch budgets": {"task": "recordings.tasks.watch_budgets", "schedule": 300.0},
        "compare recordings with the store": {
            "task": "recordings.tasks_checks.check_nightly",
            "schedule": crontab(hour="2", minute="20"),
        },
        "delete exports which are old": {
            "task": "recordings.tasks_checks.expire_exports",
            "schedule": 3600.0,
        },
        "draw old calls as well": {
            "task": "recordings.tasks_checks.roll_up_missed",
            "schedule": 900.0,
        },
        "go on comparing": {"task": "recordings.tasks_checks.sweep_checks", "schedule": 30.0},
        "count what was not counted": {"task": "recordings.tasks.count_calls", "schedule": 300.0},
    },
)
app.autodiscover_tasks(["telephony", "recordings"])
app.autodiscover_tasks(["telephony"], related_name="tasks_ingress")
