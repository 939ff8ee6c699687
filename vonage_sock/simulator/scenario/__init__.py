"""
Scenarios: what a caller does in a call, and what is expected of the server, in a YAML file.

``reading`` makes a ``model`` of the file, ``voices`` makes its audio, ``conductor`` leads the caller through the steps,
``judging`` compares what came of it with what was expected. ``running`` does all of this with a server anywhere,
``rehearsal`` with one of ours under a manual clock.
"""
