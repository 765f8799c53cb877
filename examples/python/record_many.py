"""Many records through one `rowkeeper record --stdin`: each line is answered once it is on disk. No dependencies."""

import json
import subprocess

readings = [{"_id": f"reading-{n}", "temperature": 20 + n / 10, "door": "closed"} for n in range(5)]

with subprocess.Popen(["rowkeeper", "record", "--stdin", "jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                      text=True) as recorder:
    for reading in readings:
        recorder.stdin.write(json.dumps(reading) + "\n")
        recorder.stdin.flush()
        answer = json.loads(recorder.stdout.readline())
        # "kept", or "known" when the same _id was recorded before; "refused" comes with an error.
        assert answer["result"] in ("kept", "known"), answer
        print(answer["line"], answer["id"], answer["result"])
