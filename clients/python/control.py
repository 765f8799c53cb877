"""The description of the control calls: valid OpenAPI 3.1, and true. Every call is made, every answer is held to it."""

import json
import urllib.error
import urllib.request

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from common import CLIENT_ID, URL

FAULT = {"path": "/nowhere", "times": 1, "action": {"do": "status", "status": 503, "when": "after"}}
# Bodies that every call takes; what is not here takes none.
BODIES = {
    "setClient": {"client_id": "described", "rotation": {"always": {"grace": 5}}, "testing": True},
    "setOptions": {"no_match": "empty_reply"},
    "addFaults": FAULT,
    "setFaults": {"rules": [FAULT], "idle_close_seconds": 200},
    "advanceClock": {"advance": 0.5},
    "keepSnapshot": {"name": "described"},
    "restoreSnapshot": {"name": "described"},
    "revoke": {"account": "nobody@example.com"},
}
# These need something that is not there; what they say then is described too.
REFUSED = {
    "approve": {"user_code": "NONE", "account": "a@example.com"},
    "deny": {"user_code": "NONE"},
    "expireCode": {"user_code": "NONE"},
    "deleteSpreadsheet": {"spreadsheet_id": "none"},
    "setSpreadsheet": {"spreadsheet_id": "none", "trashed": True},
}
# Others use this emulator after us.
LEFT_ALONE = {"reset", "clearLog", "restoreSnapshot", "expireAccessTokens"}


def call(method, path, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"content-type": "application/json"}, method=method.upper())
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


status, description = call("get", "/_emulator/openapi.json", None)
assert status == 200
validate(description, cls=OpenAPIV31SpecValidator)


def conforms(value, content):
    schema = {**content["application/json"]["schema"], "components": description["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


calls = [
    (method, path, operation)
    for path, operations in description["paths"].items()
    for method, operation in operations.items()
]
# Rules and snapshots are set before they are read, and the bad day ends last.
order = ["post", "put", "get", "delete"]
document = None
made = 0
for method, path, operation in sorted(calls, key=lambda one: order.index(one[0])):
    name = operation["operationId"]
    if name in LEFT_ALONE:
        continue
    refused = name in REFUSED
    body = REFUSED.get(name) or BODIES.get(name)
    if name == "writeSnapshot":
        document = call("get", "/_emulator/snapshot", None)[1]
        body = document
    if "requestBody" in operation:
        conforms(body, operation["requestBody"]["content"])
    status, reply = call(method, path, body)
    assert (status != 200) == refused, (name, status, reply)
    conforms(reply, operation["responses"]["default" if refused else "200"]["content"])
    made += 1
assert made == len(calls) - len(LEFT_ALONE) and made > 20, made
assert CLIENT_ID in [client["client_id"] for client in call("get", "/_emulator/clients", None)[1]["clients"]]
assert document["google-emulator"] == 1
