"""`python -m tests.explore.crashing`: a process that ends as the name of the set says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

task = json.loads(sys.stdin.readline())
print(json.dumps({"share": 0.5, "message": "half"}), flush=True)
if task["kind"] == "waits":
    Path(task["path"]).write_text(str(os.getpid()))
    sys.stdin.read()
elif task["kind"] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif task["kind"] == "garbles":
    print("no JSON", flush=True)
elif task["kind"] == "raises":
    raise ValueError("what went wrong")
elif task["kind"] == "done":
    time.sleep(0.2)
    print(json.dumps({"done": True}), flush=True)
