"""One shape for every error: {"error": {"code", "message", "details"}}. Messages say what to do."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import Field


class Detail(Schema):
    field: str = Field(description="What is meant, as “numbers.0.number”; empty: all of it.")
    message: str


class ErrorBody(Schema):
    code: str = Field(description="For programs; it does not change.")
    message: str = Field(description="For people: what is wrong, and what to do.")
    details: list[Detail]


class Error(Schema):
    error: ErrorBody


ALWAYS = (401, 403, 422, 429)  # what every operation may answer
_CODES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}


class Problem(Exception):
    """Ends a request; whatever it has written is rolled back."""

    def __init__(
        self, status: int, message: str, *, code: str = "", details: list[Detail] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.code, self.details = code or _CODES[status], details or []


def missing(noun: str, pk: object) -> Problem:
    return Problem(404, f"There is no {noun} {pk}. It may have been deleted; list them.")


def handle_all(api: NinjaAPI) -> None:
    """Every way in which a request can end badly ends in our shape."""

    def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
        details = [detail.model_dump() for detail in problem.details]
        body = {"code": problem.code, "message": problem.message, "details": details}
        response = api.create_response(request, {"error": body}, status=problem.status)
        if problem.status == 401:
            response["WWW-Authenticate"] = "Bearer"
        return response

    def problem(request: HttpRequest, exc: Any) -> HttpResponse:
        return answer(request, exc)

    def invalid(request: HttpRequest, exc: Any) -> HttpResponse:
        return answer(request, _of_pydantic(exc))

    def unknown(request: HttpRequest, exc: Any) -> HttpResponse:
        return answer(request, Problem(404, "There is nothing here. Look at /api/v1/docs."))

    def nobody(request: HttpRequest, exc: Any) -> HttpResponse:
        return answer(request, Problem(401, NO_KEY))

    def too_large(request: HttpRequest, exc: Any) -> HttpResponse:
        return answer(request, Problem(413, "The body is larger than 1 MiB. Send less at once."))

    def in_use(request: HttpRequest, exc: Any) -> HttpResponse:
        return answer(request, _of_protected(exc))

    def http(request: HttpRequest, exc: Any) -> HttpResponse:
        status = exc.status_code if exc.status_code in _CODES else 400
        return answer(request, Problem(status, "The body is no JSON. Look at the quotes."))

    api.add_exception_handler(Problem, problem)
    api.add_exception_handler(ValidationError, invalid)
    api.add_exception_handler(Http404, unknown)
    api.add_exception_handler(AuthenticationError, nobody)
    api.add_exception_handler(RequestDataTooBig, too_large)
    api.add_exception_handler(ProtectedError, in_use)
    api.add_exception_handler(HttpError, http)


NO_KEY = "Send a key as “Authorization: Bearer cc_…”. Keys are made in the admin under API keys."


def _of_pydantic(exc: ValidationError) -> Problem:
    details = [
        Detail(field=".".join(map(str, _place(error["loc"]))), message=str(error["msg"]))
        for error in exc.errors
    ]
    return Problem(422, "The request cannot be read. See details.", details=details)


def _place(location: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without where it came from and how our function calls it."""
    return location[2:] if location[:1] == ("body",) else location[1:]


def _of_protected(exc: ProtectedError) -> Problem:
    held = sorted({f"{row._meta.verbose_name} “{row}”" for row in exc.protected_objects})
    names = ", ".join(held[:5])
    return Problem(409, f"It is still in use: {names}. Change or delete that first.", code="in_use")
