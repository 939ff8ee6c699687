"""
The checks, a module each.

A check has ``NAME``, ``PROMISE`` (a line with the goal's numbers), ``QUICK`` (whether it is a part of ``--quick``),
``ALONE`` (whether another check beside it would spoil its figures) and ``run(bench)``, which yields ``Row``s;
``LIMIT_S``, where it needs more than a minute. It judges vsock from outside, by
processes, sockets and files. What can't be made here raises ``CannotRunError``, which is told and counts as missed.
"""
