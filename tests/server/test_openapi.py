"""The description of the routes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from wire import request, serving

from vonage_sock.server.openapi import OPENAPI_PATH, document


def schema_of(path: str, method: str, status: int) -> dict[str, Any]:
    """What the document says of an answer, with what it refers to."""
    whole = document()
    answer = whole["paths"][path][method.lower()]["responses"][str(status)]
    (content,) = answer["content"].values()
    return {"components": whole["components"], **content["schema"]}


async def test_the_server_publishes_the_description() -> None:
    """As JSON, and the very one."""
    async with serving() as server:
        status, headers, body = await request(server, "GET", OPENAPI_PATH)

    assert (200, "application/json; charset=utf-8") == (status, headers["content-type"])
    assert json.loads(json.dumps(document())) == json.loads(body)


async def test_each_route_of_the_server_is_described_and_no_other() -> None:
    """By its path and its methods; the socket in words, as OpenAPI has no other way."""
    async with serving() as server:
        resources = server._runner.app.router.resources()  # type: ignore[union-attr]
        served = {
            (resource.canonical, route.method.lower())
            for resource in resources
            for route in resource
            if route.method != "HEAD"
        }
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}

    assert served == described | {("/socket", "get")}
    assert "/socket" in document()["info"]["description"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhooks/answer", 200),
        ("POST", "/webhooks/answer", 200),
        ("GET", "/health", 200),
        ("GET", "/openapi.json", 200),
    ],
)
async def test_an_answer_is_as_described(method: str, path: str, status: int) -> None:
    """Judged by jsonschema."""
    async with serving() as server:
        given, _, body = await request(server, method, path)

    assert status == given
    assert jsonschema.Draft202012Validator(schema_of(path, method, status)).is_valid(json.loads(body))
    assert not jsonschema.Draft202012Validator(schema_of(path, method, status)).is_valid("something else")


@pytest.mark.parametrize("path", ["/webhooks/event", "/webhooks/events", "/webhooks/fallback"])
async def test_every_status_that_is_given_is_described(path: str) -> None:
    """Also for what is wrong."""
    answers = {str(answer) for operation in document()["paths"][path].values() for answer in operation["responses"]}
    async with serving() as server:
        given = [
            (await request(server, "POST", path, headers=headers, body=body))[0]
            for headers, body in [
                ("", b""),
                ("", b"{"),
                ("", b"[]"),
                ("Expect: x\r\n", b""),
                ("Content-Encoding: gzip\r\n", b"x"),
            ]
        ]

    assert set(map(str, given)) <= answers
    assert 500 not in given
