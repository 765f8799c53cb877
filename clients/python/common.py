"""What the programs share: where the emulator is, and a sign-in by device code as RFC 8628 and Google's page have it."""

import os
import pathlib
import sys

import requests

URL = os.environ["EMULATOR"]
CLIENT_ID = "emulator-client"
CLIENT_SECRET = "emulator-secret"
DRIVE_FILE = "https://www.googleapis.com/auth/drive.file"
# A person for each program, so that none sees the files of another.
OWNER = f"{pathlib.Path(sys.argv[0]).stem}@example.com"


def control(path, body):
    """The emulator's own interface: what a test may do that no client can."""
    reply = requests.post(f"{URL}/_emulator/{path}", json=body, timeout=20)
    assert reply.status_code == 200, reply.text
    return reply.json()


def sign_in(scope=DRIVE_FILE):
    """The token endpoint's answer. No library here speaks the device flow, so this is plain HTTP."""
    found = requests.get(f"{URL}/.well-known/openid-configuration", timeout=20).json()
    form = {"client_id": CLIENT_ID, "scope": scope}
    code = requests.post(found["device_authorization_endpoint"], data=form, timeout=20).json()
    assert code["verification_url"] == f"{URL}/device", code
    form = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "device_code": code["device_code"],
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }
    pending = requests.post(found["token_endpoint"], data=form, timeout=20)
    assert (pending.status_code, pending.json()["error"]) == (428, "authorization_pending"), pending.text
    control("approve", {"user_code": code["user_code"], "account": OWNER})
    control("clock", {"advance": code["interval"]})  # instead of waiting
    granted = requests.post(found["token_endpoint"], data=form, timeout=20)
    assert granted.status_code == 200, granted.text
    return found, granted.json()
