"""What the tests of SageMakerTrainOperator share: training scripts, a task-state store, and a trigger's end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from .support import CREDENTIALS

WRITE_CARD = """
import json, os, pathlib
job = json.loads(pathlib.Path(__file__).with_name("job.json").read_text())
card = {
    "metrics": {"f1": 0.75, "roc_auc": None}, "rows": {"train": 10, "holdout": 2}, "label": job["label"],
    "snapshot": {"timestamp": "2026-11-02T00:00:00+00:00", "rows": 12},
}
for variable in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"):
    pathlib.Path(os.environ[variable], "model_card.json").write_text(json.dumps(card))
"""
FAIL = """
import os, pathlib, sys
print("about to fail", flush=True)
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("no such column: AGE")
sys.exit(1)
"""


class Store:
    """Airflow's task-state store, as far as the operator uses it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))


def connection_to(url: str) -> str:
    """Write an Airflow connection of type AWS."""
    login, password = CREDENTIALS["aws_access_key_id"], CREDENTIALS["aws_secret_access_key"]
    extra = {"region_name": CREDENTIALS["region_name"], "endpoint_url": url}
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})


def event_of(trigger: Any) -> Any:
    """Run a trigger to its end, as a triggerer does that has made it from its serialized form."""
    _, arguments = trigger.serialize()
    again = type(trigger)(**json.loads(json.dumps(arguments)))
    # Where the tests look; Airflow's own goes past them, to the task's log.
    again._log = logging.getLogger("trigger")

    async def collect() -> list[Any]:
        return [event.payload async for event in again.run()]

    (event,) = asyncio.run(collect())
    return json.loads(json.dumps(event))
