"""
Several processes that are one server to everybody outside: started, watched, started again, and stopped together.

``restarts`` decides (pure), ``living`` knows what a death takes with it (pure), ``merging`` puts what the workers tell into
one order (pure), ``ledger`` holds the numbers that all share, ``channel`` carries what is said between the processes, and
``team`` runs them.
"""
