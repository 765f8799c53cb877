"""What a careful script does before it sends: each record into SQLite, durable. Prints the seconds that it took."""

import json
import sqlite3
import sys
import time

database = sqlite3.connect("rows.sqlite", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE row (n INTEGER PRIMARY KEY, body TEXT NOT NULL)")
note = "a record of a scale in a workshop, as long as such records are"
started = time.monotonic()
for n in range(int(sys.argv[1])):
    body = json.dumps({"n": n, "value": 21.5, "unit": "kg", "note": note})
    database.execute("INSERT INTO row(body) VALUES (?)", (body,))
print(time.monotonic() - started)
