"""The review queue as a page of the admin, and what the list of calls shows of reviews."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from agents.models import Project
from recordings import review_queue, reviews
from recordings.admin_figures import ReadOnlyPage
from recordings.models import CallTag, Review, Tag
from recordings.reading import duration, may
from recordings.templatetags.review import QUEUE
from telephony.models import Call

SHOWN = 20
MOST_TAGS = 50  # in the filter: those of the newest words would not help, so by name
STATE_COLOURS = {
    "": "",
    Review.State.TAKEN: "info",
    Review.Verdict.OK: "success",
    Review.Verdict.NEEDS_WORK: "warning",
    Review.Verdict.ESCALATE: "danger",
}


@admin.register(Review)
class ReviewAdmin(ReadOnlyPage):
    page_template = "recordings/queue.html"
    page_title = "Review queue"

    def page(self, request: HttpRequest) -> dict[str, Any]:
        asked = request.GET if "order" in request.GET else request.session.get(QUEUE, {})
        wish, now = review_queue.Wish.read(asked), timezone.now()
        waiting = review_queue.waiting(wish, user=request.user, now=now)
        found = waiting.select_related("project")[:SHOWN]
        length = review_queue.length(wish, user=request.user, now=now)
        return {
            "wish": wish,
            "hidden": wish.told(),
            "projects": Project.objects.order_by("name"),
            "orders": dict(review_queue.ORDERS),
            "days": review_queue.DAYS,
            "found": [(call, duration(call)) for call in found],
            "length": length,
            "is_more": length > review_queue.COUNTED,
            "counted": review_queue.COUNTED,
            "mine": list(reviews.open_of(request.user)[:SHOWN]),
            "may_review": may(request.user, "recordings.change_review"),
        }


class ReviewFilter(admin.SimpleListFilter):
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "Unreviewed"), ("taken", "In review"), *Review.Verdict.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        wanted = self.value()
        if wanted == "none":
            return queryset.filter(Q(review=None) | Q(review__state=Review.State.OPEN))
        if wanted == "taken":
            return queryset.filter(review__state=Review.State.TAKEN)
        if wanted in Review.Verdict.values:
            return queryset.filter(review__state=Review.State.DONE, review__verdict=wanted)
        return queryset


class TagFilter(admin.SimpleListFilter):
    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = list(Tag.objects.order_by("name").values_list("name", flat=True)[:MOST_TAGS])
        chosen = request.GET.get(self.parameter_name)
        if chosen and chosen not in names:
            names.append(chosen)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        return queryset.filter(tags__tag__name=self.value()) if self.value() else queryset


class ReviewColumns:
    """A part of the calls' admin: two queries a page, the rows' tags and the filter's words."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        words = CallTag.objects.select_related("tag").order_by("tag__name")
        rows: QuerySet[Call] = super().get_queryset(request)  # type: ignore[misc]
        return rows.prefetch_related(Prefetch("tags", queryset=words))

    @display(description="review", label=STATE_COLOURS)  # type: ignore[untyped-decorator]
    def review_state(self, call: Call) -> tuple[str, str]:
        review: Review | None = getattr(call, "review", None)
        if review is None or review.state == Review.State.OPEN:
            return "", ""
        if review.state == Review.State.TAKEN:
            return review.state, "In review"
        return review.verdict, review.get_verdict_display()

    @admin.display(description="tags", empty_value="")
    def tag_words(self, call: Call) -> str:
        return ", ".join(row.tag.name for row in call.tags.all())
