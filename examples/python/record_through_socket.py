"""Records through the daemon's socket: no process for each record, and other users of the device may do it too if the
configuration gives the socket a group. No dependencies. The first argument is the socket's path."""

import json
import socket
import sys

path = sys.argv[1] if len(sys.argv) > 1 else "/run/rowkeeper/record.sock"

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(path)
    answers = connection.makefile("r", encoding="utf-8")
    for n in range(5):
        reading = {"_id": f"socket-{n}", "temperature": 20 + n / 10, "door": "closed"}
        connection.sendall((json.dumps(reading) + "\n").encode())
        answer = json.loads(answers.readline())
        # "not_recorded" (disk or queue full, too many programs) may work later, under the same _id.
        assert answer["result"] in ("kept", "known"), answer
        print(answer["line"], answer["id"], answer["result"])
