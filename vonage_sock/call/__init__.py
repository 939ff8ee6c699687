"""
One call, without any input or output of its own.

A machine is given text, bytes and ``now``; it gives messages to send, events for observers, and its next deadline. Rule:
everything that changes a call's state is in this package, and nothing in it knows a socket, a task, a clock or a file.
"""
