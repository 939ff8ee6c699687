"""What is said: messages on the socket, NCCOs, webhooks, signatures. Values in, values out."""
