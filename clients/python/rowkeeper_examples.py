"""The examples in examples/python, as they stand, with a device that is signed in to the emulator."""

import json
import os
import subprocess
import sys
import tempfile

import requests

from common import OWNER, URL, control

EXAMPLES = "examples/python"
ROW = "[['door', 'open']]\n"


def run(name, **more):
    ran = subprocess.run([sys.executable, f"{EXAMPLES}/{name}"], env={**os.environ, **more}, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=60)
    assert ran.returncode == 0, (name, ran.stdout, ran.stderr)
    return ran.stdout


def token():
    return subprocess.check_output(["rowkeeper", "token"], text=True).strip()


def titles():
    """The spreadsheets of this program's owner."""
    headers = {"Authorization": f"Bearer {token()}"}
    files = requests.get(f"{URL}/drive/v3/files", headers=headers, timeout=20).json()["files"]
    return sorted(file["name"] for file in files)


with tempfile.TemporaryDirectory() as state:
    os.environ.update(ROWKEEPER_EMULATOR=URL, ROWKEEPER_STATE_DIR=f"{state}/state", HOME=state)
    # The program finds the command where a person would: on the path.
    os.environ["PATH"] = os.path.dirname(os.environ["ROWKEEPER"]) + os.pathsep + os.environ["PATH"]

    refused = subprocess.run([sys.executable, f"{EXAMPLES}/with_a_token.py"], stderr=subprocess.PIPE, text=True)
    assert refused.returncode != 0 and "sign-in" in refused.stderr, refused.stderr

    with subprocess.Popen(["rowkeeper", "sign-in", "--json"], stdout=subprocess.PIPE, text=True) as signing_in:
        code = json.loads(signing_in.stdout.readline())
        assert code["event"] == "code", code
        control("approve", {"user_code": code["user_code"], "account": OWNER})
        control("clock", {"advance": code["expires_in"] and 5})  # the emulator need not wait; the device does
        last = [json.loads(line) for line in signing_in.stdout][-1]
    assert last["event"] == "signed_in", last

    assert run("with_a_token.py") == ROW
    # The API refuses the token that rowkeeper has; the example has a new one and goes on.
    before = token()
    control("expire_access_tokens", {})
    assert run("with_a_token.py") == ROW
    assert token() != before

    assert run("with_a_call.py") == ROW
    control("expire_access_tokens", {})
    assert run("with_a_call.py") == ROW

    listening = ["rowkeeper", "proxy", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(listening, stdout=subprocess.PIPE, text=True) as proxy:
        address = proxy.stdout.readline().strip().removeprefix("listening on ")
        assert run("through_the_proxy.py", ROWKEEPER_PROXY=address) == ROW
        control("expire_access_tokens", {})
        assert run("through_the_proxy.py", ROWKEEPER_PROXY=address) == ROW
        proxy.terminate()
    assert proxy.returncode == 0, proxy.returncode
    assert titles() == sorted(2 * ["With a token", "With a call", "Through the proxy"]), titles()

    kept = run("record_many.py").splitlines()
    assert [line.split()[2] for line in kept] == 5 * ["kept"], kept
    assert [line.split()[2] for line in run("record_many.py").splitlines()] == 5 * ["known"]
    subprocess.run(["rowkeeper", "deliver"], check=True)
    sheet = json.loads(subprocess.check_output(["rowkeeper", "sheet", "show", "--json"]))["spreadsheet_id"]
    headers = {"Authorization": f"Bearer {token()}"}
    read = requests.get(f"{URL}/v4/spreadsheets/{sheet}/values/records!A1:Z", headers=headers, timeout=20).json()
    assert len(read["values"]) == 6, read
    subprocess.run(["rowkeeper", "sign-out"], check=True)
