"""The packages of models: loaded by the registry client's own loader, and run over arrow batches."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from include.sandbox.snowflake.models import Method

# A feature's type in the package's signature: what it is called in the engine, and what comes out as.
ENGINE_TYPES = {"FLOAT": "DOUBLE", "DOUBLE": "DOUBLE", "BOOL": "BOOLEAN", "STRING": "VARCHAR", "BYTES": "BLOB"}
ENGINE_TYPES |= {f"{sign}INT{size}": "BIGINT" for sign in ("", "U") for size in (8, 16, 32, 64)}
ENGINE_TYPES |= {"TIMESTAMP_NTZ": "TIMESTAMP"}
_ARROW_TYPES = {
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
}


@dataclass
class Package:
    """A loaded model, ready to predict."""

    model: Any
    signatures: dict[str, Any]

    def predict(self, method: Method, batch: pa.Table) -> list[pa.Array]:
        """Run a method over a batch of its arguments, in the way of Snowflake's generated handler."""
        signature = self.signatures[method.target]
        frame = batch.to_pandas()
        frame.columns = [feature.name for feature in signature.inputs]
        frame = frame.astype({feature.name: feature.as_dtype() for feature in signature.inputs})
        predicted = getattr(self.model, method.target)(frame)
        return [pa.Array.from_pandas(predicted[name], type=arrow_type(type_)) for name, type_ in method.outputs.items()]


class PackageCache:
    """The models loaded so far. A version never changes, so it is loaded once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._packages: dict[Path, Package] = {}

    def load(self, folder: Path) -> Package:
        """Load a version's package with the registry client's own loader."""
        with self._lock:
            if folder not in self._packages:
                # Slow to import, and not needed before the first prediction.
                from snowflake.ml.model._packager.model_packager import ModelPackager

                packager = ModelPackager(str(folder / "model"))
                packager.load(as_custom_model=True)
                self._packages[folder] = Package(packager.model, dict(packager.meta.signatures))
            return self._packages[folder]


def arrow_type(feature_type: str) -> pa.DataType:
    """The arrow type of a feature's values."""
    return _ARROW_TYPES[ENGINE_TYPES[feature_type]]
