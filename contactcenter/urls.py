from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from contactcenter import health
from contactcenter.api import api, nothing_here
from recordings import metrics_views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    re_path(r"^api/", nothing_here),
    path("hooks/", include("telephony.urls")),
    path("internal/plans/", include("agents.urls")),
    path("internal/", include("recordings.internal_urls")),
    path("internal/", include("telephony.internal_urls")),
    path("recordings/", include("recordings.urls")),
    path("health", health.live),
    path("ready", health.ready),
    path("metrics", metrics_views.prometheus),
    path("metrics/latency", metrics_views.latency),
]
