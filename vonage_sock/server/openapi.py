"""
What the web server's routes take and answer, as an OpenAPI document: for people, for generators of clients, and for fuzzers.

The routes are listed here and nowhere else in words; a test compares them with those that the server has. What Vonage sends
isn't narrowed down: any JSON object is taken, as their fields differ from event to event and grow.

Source: OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any, Final

from vonage_sock.protocol import webhooks

OPENAPI_PATH: Final = "/openapi.json"

JsonObject = dict[str, Any]
Responses = dict[int, JsonObject]

REFUSALS: Final = {
    400: "It can't be read: broken HTTP, a body that isn't JSON or isn't an object.",
    401: "It isn't signed with the secret that this server knows.",
    408: "The body took too long.",
    413: "The body is too long.",
    415: "The body is compressed.",
    417: "It expects what this server doesn't do.",
    421: "It asks for another host.",
    431: "The headers are too long.",
    503: "There is no room for it now.",
}
"""Of webhooks; each with one sentence as plain text."""

PARAMS: Final = ("to", "from", "uuid", "conversation_uuid", "endpoint_type", "region_url")
"""What Vonage says of a call, in the query of a GET. Source: webhook reference, "Answer webhook"."""

BODIES: Final = ("application/json", "application/x-www-form-urlencoded")

ABOUT: Final = (
    f"Webhooks of a server for calls by Vonage's Voice API, and beside them, at `{webhooks.SOCKET_PATH}`, the calls' "
    "WebSocket, which OpenAPI has no words for. It goes without compression, subprotocol or fragments. The platform says "
    '`{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}` first; then each binary message, both ways, is '
    "20 ms of 16-bit little-endian PCM, mono: 320 bytes at 8 kHz, 640 at 16 kHz, 960 at 24 kHz. Keys come as "
    '`{"event":"websocket:dtmf","digit":"1","duration":100}`. The server may say `{"action":"clear"}` and '
    '`{"action":"notify","payload":{}}`, which `websocket:cleared` and `websocket:notify` answer.'
)


def document() -> JsonObject:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vsock",
            "version": metadata.version("vonage-sock"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"signed": []}],
        "paths": paths(),
        "components": {
            "schemas": {
                "Ncco": {
                    "type": "array",
                    "description": "A call control object: what Vonage does next, in order.",
                    "items": {
                        "type": "object",
                        "required": ["action"],
                        "properties": {"action": {"type": "string"}},
                    },
                },
                "Webhook": {"type": "object", "description": "Whatever Vonage says of a call; nested at most 32 deep."},
            },
            "securitySchemes": {
                "signed": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Vonage's signed webhooks (HS256); checked where the server was given the secret.",
                }
            },
        },
    }


def paths() -> JsonObject:
    """The routes."""
    ncco: Responses = {200: _json("An NCCO.", {"$ref": "#/components/schemas/Ncco"})}
    nothing: Responses = {204: {"description": "Taken."}}
    taken = nothing | {200: ncco[200] | {"description": "The fallback NCCO."}}
    return {
        webhooks.ANSWER_PATH: _webhook("answer", "A call has come: what shall be done?", ncco),
        webhooks.EVENT_PATHS[0]: _webhook("event", "An event of a call.", taken),
        webhooks.EVENT_PATHS[1]: _webhook("events", "The same as /webhooks/event.", taken),
        webhooks.FALLBACK_PATH: _webhook(
            "fallback", "The answer URL, or an event URL that owes an NCCO, failed: what shall be done?", ncco | nothing
        ),
        webhooks.HEALTH_PATH: {
            "get": _operation(
                "health",
                "Is the server there, and how many calls are open?",
                {200: _json("It is.", _object(status={"const": "ok"}, calls={"type": "integer", "minimum": 0}))},
            )
        },
        OPENAPI_PATH: {
            "get": _operation("openapi", "This document.", {200: _json("It.", _object(openapi={"type": "string"}))})
        },
    }


def _webhook(name: str, summary: str, responses: Responses) -> JsonObject:
    """The same by GET, with a query, and by POST, with a body too."""
    content = {kind: {"schema": {"$ref": "#/components/schemas/Webhook"}} for kind in BODIES}
    get = _operation(f"{name}_by_get", summary, responses)
    get["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in PARAMS]
    post = _operation(f"{name}_by_post", summary, responses)
    post["requestBody"] = {"content": content, "required": False}
    return {"get": get, "post": post}


def _operation(name: str, summary: str, responses: Responses) -> JsonObject:
    refused: Responses = {status: _text(why) for status, why in REFUSALS.items()}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {str(status): response for status, response in sorted((refused | responses).items())},
    }


def _json(description: str, schema: JsonObject) -> JsonObject:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str) -> JsonObject:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def _object(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "required": list(properties), "properties": properties}
