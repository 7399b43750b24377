"""Command line of the AWS sandbox: `python -m include.sandbox.aws --state DIR --port N`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from include.sandbox.aws.server import AwsSandbox


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; one line on stdout says that requests are answered."""
    parser = argparse.ArgumentParser(prog="python -m include.sandbox.aws", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory that outlives the process")
    parser.add_argument("--port", type=int, default=4566, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--region", default="us-east-1", help="region of the first bucket")
    parser.add_argument("--bucket", default="ml-sandbox", help="bucket made at the first start")
    parser.add_argument("--role", default="ml-sandbox-execution", help="IAM role made at each start")
    parser.add_argument(
        "--stop-grace", type=float, default=120.0, help="seconds between SIGTERM and SIGKILL of a stopped job"
    )
    options = parser.parse_args(argv)

    # Whatever is kept is for its owner alone: objects, secrets, logs, and what jobs work on.
    os.umask(0o077)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        sandbox = AwsSandbox(options.state, port=options.port, stop_grace=options.stop_grace)
    except OSError as error:
        print(f"aws sandbox: {error}", file=sys.stderr)
        return 1
    role_arn = sandbox.provision(region=options.region, bucket=options.bucket, role=options.role)
    sandbox.start()
    print(f"aws sandbox ready: {sandbox.url} bucket={options.bucket} role={role_arn}", flush=True)
    ended.wait()
    sandbox.stop()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # What is kept is on the disk. To free what moto has made takes the interpreter longer than all else of the end.
    os._exit(code)
