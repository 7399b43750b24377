"""The account's warehouses. They are nominal: a statement runs the same in each, and needs none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.objects.catalog import Catalog, Entry, Key

KIND = "WAREHOUSE"
DEFAULTS: dict[str, Any] = {
    "WAREHOUSE_TYPE": "STANDARD",
    "WAREHOUSE_SIZE": "X-Small",
    "RESOURCE_CONSTRAINT": None,
    "MIN_CLUSTER_COUNT": 1,
    "MAX_CLUSTER_COUNT": 1,
    "SCALING_POLICY": "STANDARD",
    "AUTO_SUSPEND": 600,
    "AUTO_RESUME": True,
    "ENABLE_QUERY_ACCELERATION": False,
    "QUERY_ACCELERATION_MAX_SCALE_FACTOR": 8,
    "MAX_CONCURRENCY_LEVEL": 8,
    "COMMENT": "",
}


class Warehouses:
    """The warehouses of an account, in its catalog; the first one is there from the start."""

    def __init__(self, catalog: Catalog, first: str) -> None:
        self._catalog = catalog
        if not catalog.entries(KIND):
            self.create(first, {}, replace=False, if_not_exists=True)

    def all(self) -> list[Entry]:
        """All warehouses by name."""
        return self._catalog.entries(KIND)

    def find(self, name: str) -> Entry | None:
        """A warehouse by name."""
        return self._catalog.find(KIND, _key(name))

    def get(self, name: str) -> Entry:
        """A warehouse by name, or Snowflake's error."""
        if entry := self.find(name):
            return entry
        raise not_found("Warehouse", name)

    def create(self, name: str, properties: dict[str, Any], *, replace: bool, if_not_exists: bool) -> bool:
        """Add a warehouse; False if it was there and may stay."""
        now = datetime.now(UTC).isoformat()
        suspended = bool(properties.pop("INITIALLY_SUSPENDED", False))
        definition = {**DEFAULTS, **properties, "SUSPENDED": suspended, "RESUMED_ON": now, "UPDATED_ON": now}
        return self._catalog.create(KIND, _key(name), definition, replace=replace, if_not_exists=if_not_exists)

    def update(self, name: str, **changed: Any) -> None:
        """Change properties of a warehouse."""
        self.get(name)
        self._catalog.update(KIND, _key(name), **changed, UPDATED_ON=datetime.now(UTC).isoformat())

    def rename(self, name: str, new: str) -> None:
        """Give a warehouse another name."""
        self.get(name)
        self._catalog.rename(KIND, _key(name), _key(new))

    def drop(self, name: str, *, if_exists: bool) -> bool:
        """Remove a warehouse."""
        if not if_exists:
            self.get(name)
        return self._catalog.drop(KIND, _key(name), if_exists=if_exists)


def _key(name: str) -> Key:
    return ("", "", name)
