"""What `docker run <image> train` starts in a container of one's own: SageMaker's script mode, without its toolkit.

Installed as `train` it needs boto3 and nothing else. It fetches the archive that the request names, and runs its
program with the hyperparameters; so one request does for SageMaker's images and for one's own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import traceback
from pathlib import Path
from typing import Any

KILLED = 128 + signal.SIGKILL
STOPPED = 128 + signal.SIGTERM


class LaunchError(Exception):
    """The request cannot be carried out; the text becomes the job's failure reason."""


def main(root: Path) -> int:
    """Run the job laid out under ``root``, and return the exit code that tells SageMaker how it ended."""
    try:
        hyperparameters = {name: _decode(text) for name, text in _read(root, "hyperparameters").items()}
        folder = fetch_code(root, hyperparameters)
        program = folder / str(hyperparameters["sagemaker_program"])
        command = [sys.executable, str(program), *arguments(hyperparameters)]
        return run(command, folder, {**os.environ, **variables(root)}, root)
    except LaunchError as error:
        _report(root, str(error))
    except Exception as error:
        traceback.print_exception(error)
        _report(root, f"the job could not be started, {type(error).__name__}: {error}")
    return 1


def arguments(hyperparameters: dict[str, Any]) -> list[str]:
    """Give the hyperparameters as a command line, but for those of script mode itself.

    >>> arguments({"max_depth": 3, "eta": 0.5, "sagemaker_program": "train.py"})
    ['--eta', '0.5', '--max_depth', '3']
    """
    given = sorted((name, value) for name, value in hyperparameters.items() if not name.startswith("sagemaker_"))
    return [word for name, value in given for word in (f"--{name}", str(value))]


def variables(root: Path) -> dict[str, str]:
    """Describe the job in those of the toolkit's variables that programs commonly read."""
    resources = _read(root, "resourceconfig")
    channels = sorted(_read(root, "inputdataconfig"))
    described = {
        "SM_MODEL_DIR": root / "model",
        "SM_INPUT_DIR": root / "input",
        "SM_INPUT_CONFIG_DIR": root / "input" / "config",
        "SM_OUTPUT_DIR": root / "output",
        "SM_OUTPUT_DATA_DIR": root / "output" / "data",
        **{f"SM_CHANNEL_{name.upper()}": root / "input" / "data" / name for name in channels},
        "SM_CHANNELS": json.dumps(channels),
        "SM_HOSTS": json.dumps(resources.get("hosts", ["algo-1"])),
        "SM_CURRENT_HOST": resources.get("current_host", "algo-1"),
        "SM_NUM_CPUS": os.cpu_count(),
    }
    return {name: str(value) for name, value in described.items()}


def fetch_code(root: Path, hyperparameters: dict[str, Any]) -> Path:
    """Unpack the archive of the request and return its directory.

    :raises LaunchError: if it is not named, cannot be read, or lacks the program
    """
    uri, program = (hyperparameters.get(f"sagemaker_{name}") for name in ("submit_directory", "program"))
    place = re.fullmatch(r"s3://([^/]+)/(.+)", str(uri))
    if not place or not program:
        raise LaunchError(
            f"the request is not one of script mode: sagemaker_submit_directory is {uri!r} and sagemaker_program "
            f"{program!r}; give the archive's S3 address, and the program in it"
        )
    archive, folder = root / "code.tar.gz", root / "code"
    _download(place.group(1), place.group(2), archive)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LaunchError(f"{uri} cannot be unpacked: {error}; upload it again") from None
    if not (folder / str(program)).is_file():
        raise LaunchError(f"{uri} holds no {program}; mend sagemaker_program")
    return folder


def run(command: list[str], folder: Path, environment: dict[str, str], root: Path) -> int:
    """Run the program, hand on a stop to it, and say why it ended if it cannot say so itself."""
    with subprocess.Popen(command, cwd=folder, env=environment) as child:  # noqa: S603 (the request says what to run)
        # A container's first process gets no signal that it does not ask for.
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        code = child.wait()
    code = 128 - code if code < 0 else code
    if code == KILLED:
        _report(
            root,
            "the training program was killed (exit code 137): most likely out of memory; choose an instance type with "
            "more memory, more instances, or a shorter training window",
        )
    elif code not in (0, STOPPED) and not _failure(root).exists():
        _report(root, f"the training program ended with exit code {code}; see the job's log")
    return code


def _download(bucket: str, key: str, target: Path) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("s3", region_name=os.environ.get("AWS_REGION")).download_file(bucket, key, str(target))
    except (BotoCoreError, ClientError) as error:
        raise LaunchError(
            f"s3://{bucket}/{key} cannot be read: {error}; allow the training role s3:GetObject on it"
        ) from None


def _read(root: Path, name: str) -> dict[str, Any]:
    """Read a file of the job's description; SageMaker leaves out those that would be empty."""
    path = root / "input" / "config" / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _decode(text: str) -> Any:
    """Decode a hyperparameter: SageMaker's SDK writes JSON, others plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _failure(root: Path) -> Path:
    return root / "output" / "failure"


def _report(root: Path, reason: str) -> None:
    print(f"training failed: {reason}", file=sys.stderr, flush=True)
    _failure(root).parent.mkdir(parents=True, exist_ok=True)
    # SageMaker shows no more than 1,024 characters.
    _failure(root).write_text(reason[:1000])


if __name__ == "__main__":
    sys.exit(main(Path(os.environ.get("ML_ROOT", "/opt/ml"))))
