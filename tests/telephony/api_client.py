"""A program with a key."""

import json
from typing import Any

from django.test import Client
from django.utils import timezone

from telephony import keys
from telephony.models import ApiKey
from telephony.scopes import SCOPES


def make_key(*scopes: str, **values: Any) -> str:
    """The secret of a new key; without scopes it may do everything."""
    key = ApiKey(**({"name": f"Key {ApiKey.objects.count()}"} | values))
    key.scopes = list(scopes or SCOPES)
    secret = keys.new_secret(key, by="tests", now=timezone.now())
    key.save()
    return secret


class Api:
    def __init__(self, secret: str) -> None:
        self.secret, self.client = secret, Client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        told = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        more: dict[str, Any] = (
            {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        )
        return self.client.generic(method, f"/api/v1{path}", headers=told, **more)


def every_operation() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each."""
    from contactcenter.api import api

    paths = api.get_openapi_schema()["paths"]
    return [
        (method.upper(), path.removeprefix("/api/v1"), told)
        for path, methods in paths.items()
        for method, told in methods.items()
    ]


def filled(path: str) -> str:
    """With an id in each of its places."""
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))
