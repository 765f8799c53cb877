"""For Telegraf's `outputs.execd` (see telegraf.conf): JSON metrics on stdin become rows. No dependencies.

Telegraf's JSON has a metric a line: {"fields": {"usage": 1.5}, "name": "cpu", "tags": {"host": "pi"}, "timestamp": 1795368600250}
(milliseconds, as json_timestamp_units says), or several of them in {"metrics": [...]}. A metric that comes twice has the same
`_id`, and is kept once. Arguments go to `rowkeeper record`, such as --table."""

import datetime
import hashlib
import json
import subprocess
import sys
import threading


def row(metric):
    moment = datetime.datetime.fromtimestamp(metric["timestamp"] / 1000, datetime.timezone.utc)
    which = json.dumps([metric["name"], sorted(metric["tags"].items()), metric["timestamp"]], ensure_ascii=False)
    values = {"measurement": metric["name"]}
    for key, value in list(metric["tags"].items()) + list(metric["fields"].items()):
        # These are Rowkeeper's own columns.
        values[key + "_" if key in ("time", "device") or key.startswith("_") else key] = value
    ours = {"_id": hashlib.sha256(which.encode()).hexdigest()[:32], "_at": moment.isoformat(timespec="milliseconds")}
    return {**ours, **values}


def listen(answers):
    for line in answers:
        answer = json.loads(line)
        if answer["result"] == "refused":
            print("rowkeeper: line", answer["line"], answer["error"], file=sys.stderr, flush=True)


def main():
    command = ["rowkeeper", "record", "--stdin", "jsonl", *sys.argv[1:]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as recorder:
        listener = threading.Thread(target=listen, args=(recorder.stdout,))
        listener.start()
        for line in sys.stdin:
            if not line.strip():
                continue
            said = json.loads(line)
            for metric in said.get("metrics", [said]):
                recorder.stdin.write(json.dumps(row(metric)) + "\n")
            recorder.stdin.flush()
        recorder.stdin.close()
        listener.join()
    # Not 0 (75: disk or queue full): Telegraf says so, and starts it again.
    return recorder.returncode


if __name__ == "__main__":
    sys.exit(main())
