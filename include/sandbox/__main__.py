"""`python -m include.sandbox up`: Snowflake and AWS on loopback, in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from include.sandbox import process, settings


def main() -> int:
    """Read the arguments and run the command."""
    parser = argparse.ArgumentParser(prog="python -m include.sandbox", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser("up", help="run the servers")
    command.add_argument("--state", type=Path, default=Path(".sandbox"), help="where everything is kept")
    ports = {"snowflake": settings.DEFAULT_SNOWFLAKE_PORT, "aws": settings.DEFAULT_AWS_PORT}
    for name, port in ports.items():
        text = f"default: the last start's, at first {port}; 0 takes any free port"
        command.add_argument(f"--{name}-port", type=int, help=text)
    command.add_argument("--only", choices=list(ports), help="run one of the two servers")
    command.add_argument("--end-with", type=int, metavar="PID", help="end when this parent process does")
    arguments = parser.parse_args()
    if arguments.end_with:
        process.end_with(arguments.end_with)
    try:
        return process.up(arguments.state, arguments.snowflake_port, arguments.aws_port, arguments.only)
    except process.SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
