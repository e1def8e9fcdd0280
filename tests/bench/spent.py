"""Runs a command to its end, and prints as JSON what that took: seconds, seconds of CPU, peak memory, exit code.

python -m tests.bench.spent [--one-core] COMMAND...

A process of its own for each: what the kernel says of a child's peak is never less than what its parent had when it began it, so the parent
has to be small.
"""

import json
import os
import resource
import subprocess
import sys
import time


def main(words: list[str]) -> None:
    if words[0] == "--one-core":
        words = words[1:]
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    began = time.perf_counter()
    code = subprocess.run(words, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False).returncode
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024, "code": code}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
