"""The workbench for phone calls over WebSockets."""

__version__ = "0.1.0"
