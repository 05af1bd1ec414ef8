"""Runs a command as systemd's socket activation would, again and again until SIGTERM.

    python -m tests.testbed.activate PORT COMMAND...

The socket outlives the command, which gets it as its file descriptor 3.
"""

import os
import signal
import socket
import subprocess
import sys

_FIRST = 3


def main() -> None:
    port, *command = sys.argv[1:]
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    with socket.create_server(("127.0.0.1", int(port)), backlog=2048) as listener:
        os.dup2(listener.fileno(), _FIRST)
        # $$ is the shell's process ID, and the command's after exec.
        shell = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *command]
        while not stopping:
            with subprocess.Popen(shell, pass_fds=[_FIRST]) as process:
                process.wait()
        process.wait()


if __name__ == "__main__":
    main()
