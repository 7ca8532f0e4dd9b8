"""`python -m digitlab` and `digitlab` are the command line."""

import signal


def main() -> int:
    """Run the command line; a Ctrl-C while it is imported ends it without a word."""
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from digitlab.cli import main as run

    signal.signal(signal.SIGINT, usual)
    return run()


if __name__ == "__main__":
    raise SystemExit(main())
