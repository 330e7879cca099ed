"""Run a program that ends with its parent: `python child.py PARENT_PID PROGRAM ARGUMENT…`.

A program and not a `preexec_fn`, which may hang in a process with threads. Only Linux has such a bond; elsewhere the
next `manage.py up` ends what a killed one left behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, *program = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("The parent has gone already.")
    os.execv(program[0], program)  # noqa: S606 - the supervisor names the program
