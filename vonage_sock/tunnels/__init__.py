"""Public addresses that lead to our port: found, started, tried, and watched while calls last."""
