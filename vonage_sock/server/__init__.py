"""Our server: webhooks and sockets on one port."""
