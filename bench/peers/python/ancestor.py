"""The ancestor's approach: tokens in a file, one blocking append for each record, and a wrapper that tries again.

Its loop that asks for the token pauses only after a 200 without a token, as Google answered then; today's pending is 428.
"""

import json
import os
import sys
import time

import requests

URL = os.environ["URL"]
SHEET = os.environ.get("SHEET", "")
CLIENT = {"client_id": "emulator-client", "client_secret": "emulator-secret"}
FILE = "token.json"


def sign_in():
    form = {"client_id": CLIENT["client_id"], "scope": "https://www.googleapis.com/auth/drive.file"}
    code = requests.post(f"{URL}/device/code", data=form).json()
    print("code", code["user_code"], flush=True)
    form = {**CLIENT, "code": code["device_code"], "grant_type": "http://oauth.net/grant_type/device/1.0"}
    while True:
        answer = requests.post(f"{URL}/token", data=form)
        if answer.status_code == 200:
            tokens = answer.json()
            if "access_token" in tokens:
                keep(tokens, tokens["refresh_token"])
                print("signed in", flush=True)
                return
            time.sleep(code["interval"] + 2)


def keep(tokens, refresh_token):
    saved = {"token": tokens["access_token"], "refresh_token": refresh_token, "expires_at": time.time() + tokens["expires_in"]}
    with open(FILE, "w") as file:
        json.dump(saved, file)


def token():
    saved = json.load(open(FILE))
    if saved["expires_at"] < time.time() + 10:
        form = {**CLIENT, "refresh_token": saved["refresh_token"], "grant_type": "refresh_token"}
        answer = requests.post(f"{URL}/token", data=form)
        answer.raise_for_status()
        keep(answer.json(), saved["refresh_token"])
    return json.load(open(FILE))["token"]


session = requests.Session()


def append(row):
    url = f"{URL}/v4/spreadsheets/{SHEET}/values/Log:append?valueInputOption=RAW"
    answer = session.post(url, json={"values": [row]}, headers={"Authorization": f"Bearer {token()}"})
    answer.raise_for_status()


def persistently(append, row):
    while True:
        try:
            return append(row)
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            if status in (400, 401, 403, 404) and "token" in error.response.url:
                raise
            time.sleep(1)


if sys.argv[1] == "sign-in":
    sign_in()
elif sys.argv[1] == "boot":
    persistently(append, ["2026-11-22T08:00:00Z", "bench", 0, 21.5, "boot"])
else:
    for done, line in enumerate(sys.stdin, 1):
        persistently(append, json.loads(line))
        print(done, flush=True)
