"""The packages of models: loaded by the registry client's own loader, and run over arrow batches.

The way a method is run is the one of the handler that the client generates for the warehouse.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.scoring.features import ENGINE_TYPES, to_arrow, to_frame

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.methods import Method

# Their predict changes nothing in the model, so several threads may be in it; of a model's own code nobody knows.
_REENTRANT = {"sklearn", "xgboost"}


class Code:
    """The modules that a package brings along. Two packages may have modules of one name, so each sees its own only."""

    _one_at_a_time = threading.RLock()

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules: dict[str, Any] = {}

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Let these modules be imported, by one package at a time; one without code of its own waits for nobody."""
        if not self._folder.is_dir():
            yield
            return
        with self._one_at_a_time:
            self._check_names()
            sys.path.insert(0, str(self._folder))
            sys.modules.update(self._modules)
            try:
                yield
            finally:
                self._modules = {n: m for n, m in list(sys.modules.items()) if self._is_own(m)}
                for name in self._modules:
                    del sys.modules[name]
                sys.path[:] = [p for p in sys.path if p != str(self._folder)]

    def _check_names(self) -> None:
        for path in self._folder.iterdir():
            if path.stem in sys.modules:
                raise unsupported(f"a model whose code has a module {path.stem!r}, as the server has one")

    def _is_own(self, module: Any) -> bool:
        places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or [])]
        return any(place and Path(place).is_relative_to(self._folder) for place in places)


@dataclass
class Package:
    """A loaded model, ready to predict."""

    model: Any
    signatures: dict[str, Any]
    model_type: str
    code: Code
    _alone: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_reentrant(self) -> bool:
        """True if two batches may be predicted at once."""
        return self.model_type in _REENTRANT

    def predict(self, method: Method, batch: pa.Table) -> list[pa.Array]:
        """Run a method over a batch of its arguments, a row of outputs for each row."""
        predicted = self.run(method, batch)
        if len(predicted) != batch.num_rows:
            raise ValueError(f"the method gave {len(predicted)} rows for {batch.num_rows}")
        return outputs(method, predicted)

    def run(self, method: Method, batch: pa.Table) -> pd.DataFrame:
        """Run a method over rows of its arguments (the parameters come last) and give back what it makes of them."""
        signature = self.signatures[method.target]
        count = len(method.inputs)
        frame = to_frame(batch.columns[:count], signature.inputs, list(method.inputs.values()))
        params = {
            spec.name: _parameter(spec, column, method.params[spec.name])
            for spec, column in zip(signature.params or [], batch.columns[count:], strict=False)
        }
        function = getattr(self.model, method.target)
        with contextlib.nullcontext() if self.is_reentrant else self._alone, self.code.in_use():
            if inspect.iscoroutinefunction(function):
                import anyio  # few models have coroutines

                return anyio.run(partial(function, frame, **params))
            return function(frame, **params)


def outputs(method: Method, predicted: pd.DataFrame) -> list[pa.Array]:
    """The columns of a prediction, as the signature has them."""
    return [to_arrow(predicted[name], kind) for name, kind in method.outputs.items()]


def _parameter(spec: Any, column: pa.ChunkedArray, kind: str) -> Any:
    """The value of a method's parameter: one for all rows; NULL stands for the default."""
    distinct = column.unique()
    if len(distinct) > 1:
        raise ValueError(f"All values for parameter '{spec.name}' must be equal. Please provide a constant value.")
    value = distinct[0].as_py()
    if value is None:
        return spec.default_value
    if ENGINE_TYPES[kind] == "JSON":
        return json.loads(value)
    number_type = getattr(getattr(spec, "dtype", None), "_numpy_type", None)
    return number_type(value) if callable(number_type) else value


class PackageCache:
    """The models used last. A version never changes, so it is loaded once; who wants another does not wait for it."""

    def __init__(self, kept: int = 16) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._packages: OrderedDict[Path, Future[Package]] = OrderedDict()

    def load(self, folder: Path) -> Package:
        """The package in a version's folder, loaded by the registry client's own loader."""
        with self._lock:
            for dropped in [f for f in self._packages if not f.is_dir()]:
                del self._packages[dropped]
            loading = self._packages.get(folder)
            is_mine = loading is None
            if loading is None:
                loading = self._packages[folder] = Future()
            self._packages.move_to_end(folder)
            while len(self._packages) > self._kept:
                self._packages.popitem(last=False)
        if is_mine:
            try:
                loading.set_result(_load(folder))
            except BaseException as error:
                with self._lock:
                    self._packages.pop(folder, None)
                loading.set_exception(error)
        return loading.result()


def _load(folder: Path) -> Package:
    # Slow to import, and not needed before the first prediction.
    from snowflake.ml.model._packager.model_packager import ModelPackager

    packager = ModelPackager(str(folder / "model"))
    code = Code(folder / "model" / "code")
    with code.in_use():
        packager.load(as_custom_model=True)
    return Package(packager.model, dict(packager.meta.signatures), packager.meta.model_type, code)
