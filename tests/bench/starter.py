"""Runs commands one after the other and reports the resources of each; small, and standalone.

A forked process is charged its parent's memory until it executes another program, so the parent
must be smaller than any of the commands. Reads a JSON array a line, ``[arguments, environment,
directory, file for output]``, and answers with ``[status, seconds, seconds of CPU, KiB]``: the CPU
time, user and system, of the command and of everything that it waited for, and the memory of the
largest process among them (wait4(2), ``ru_maxrss``).
"""

# No future import: each module loaded here costs memory.
import json
import os
import sys
import time


def main() -> None:
    """Answer each line until there are no more."""
    for line in sys.stdin:
        arguments, environment, directory, output = json.loads(line)
        os.chdir(directory)
        to_file = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        started = time.perf_counter()
        child = os.posix_spawn(arguments[0], arguments, environment, file_actions=to_file)
        _, status, used = os.wait4(child, 0)
        seconds = time.perf_counter() - started
        answer = [
            os.waitstatus_to_exitcode(status),
            seconds,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss,
        ]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
