"""
AWS on one machine, in one process: `python -m conformance.emulator`.

`launch` starts it and `admin` talks to it; `service` is what EKS and EKS Auth are
written against. Importing the rest imports ministack, which reads its settings while
it is imported: see `borrowed.prepare`.
"""
