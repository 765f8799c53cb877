"""What the Python peers share: the token file of google-auth, and rows from stdin."""

import json
import os
import queue
import sys
import threading
from datetime import datetime

from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

URL = os.environ["URL"]
SHEET = os.environ.get("SHEET", "")
SCOPES = ["https://www.googleapis.com/auth/drive.file"]
MOST_ROWS = 10_000
BOOT_ROW = ["2026-11-22T08:00:00Z", "bench", 0, 21.5, "boot"]


def credentials():
    """As in Google's quickstart: what is in the file, refreshed if need be, and written back.

    Not by `from_authorized_user_file`, which takes Google's token endpoint whatever the file says.
    """
    with open("token.json") as file:
        saved = json.load(file)
    names = ("token", "refresh_token", "token_uri", "client_id", "client_secret", "scopes")
    expiry = datetime.fromisoformat(saved["expiry"]).replace(tzinfo=None)
    found = Credentials(**{name: saved[name] for name in names}, expiry=expiry)
    if not found.valid:
        found.refresh(Request())
        with open("token.json", "w") as file:
            file.write(found.to_json())
    return found


def rows():
    """Lists of rows: all that came while the last call was under way, or the next one."""
    lines = queue.Queue(MOST_ROWS)

    def read():
        for line in sys.stdin:
            lines.put(json.loads(line))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    over = False
    while not over:
        batch = [lines.get()]
        while batch[-1] is not None and len(batch) < MOST_ROWS:
            try:
                batch.append(lines.get_nowait())
            except queue.Empty:
                break
        over = batch[-1] is None
        batch = [row for row in batch if row is not None]
        if batch:
            yield batch


def serve(append):
    """One row, or rows from stdin; says after each call how many are in the sheet."""
    if sys.argv[1] == "boot":
        append([BOOT_ROW])
        return
    done = 0
    for batch in rows():
        append(batch)
        done += len(batch)
        print(done, flush=True)
