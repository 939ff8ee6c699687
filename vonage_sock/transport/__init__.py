"""Machines on sockets: a driver for any library's websocket, and one for many calls on sockets of our own."""

from vonage_sock.transport.driver import Driver, Patience, Socket, tell

__all__ = ["Driver", "Patience", "Socket", "tell"]
