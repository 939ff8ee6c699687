"""``python -m vonage_sock`` is ``vsock``."""

from vonage_sock.cli import main

if __name__ == "__main__":
    main()
