"""``python -m vonage_sock`` is ``vsock``."""

from vonage_sock.starting import leave_on_ctrl_c


def main() -> None:
    """Load the command line, and run it."""
    leave_on_ctrl_c()
    from vonage_sock.cli import main as run  # noqa: PLC0415  (it takes its time)

    run()


if __name__ == "__main__":
    main()
