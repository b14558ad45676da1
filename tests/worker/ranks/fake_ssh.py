"""Stands in for ssh in tests: another machine is a terminal of its own with an empty environment.

As `ssh -tt` it joins what is printed on stdout and stderr, and its end hangs up the other side.
FAKE_SSH_PATHS, JSON, says which paths are others there.
"""

from __future__ import annotations

import json
import os
import pty
import select
import sys

command = sys.argv[-1]
for here, elsewhere in json.loads(os.environ["FAKE_SSH_PATHS"]).items():
    command = command.replace(here, elsewhere)
there = {
    "PATH": "/usr/bin:/bin",
    "HOME": os.environ["HOME"],
    "OTHER_MACHINE": os.environ["FAKE_SSH_NAME"],
}
if "-tt" not in sys.argv:  # mlx.launch kills what it has started
    os.execve("/bin/bash", ["bash", "-c", command], there)
child, terminal = pty.fork()
if child == 0:
    os.execve("/bin/bash", ["bash", "-c", command], there)
sources = [0, terminal]
while terminal in sources:
    for source in select.select(sources, [], [])[0]:
        try:
            chunk = os.read(source, 1 << 16)
        except OSError:  # Linux tells the end of a terminal so
            chunk = b""
        if not chunk:
            sources.remove(source)
        else:
            os.write(1 if source == terminal else terminal, chunk)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
