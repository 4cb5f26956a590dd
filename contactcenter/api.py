"""The API with what every app adds to it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from recordings import api as recordings
from recordings import api_search as conversations
from telephony.api.app import make_api

api = make_api()
api.add_router("/calls", recordings.router)
api.add_router("/search", conversations.router)


@csrf_exempt
def nothing_here(request: HttpRequest) -> HttpResponse:
    """An address which is none: told in the API's own shape."""
    return api.on_exception(request, Http404())
