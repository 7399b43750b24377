"""The Feature Store by its unmodified client: entities, feature views, training sets, datasets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
import snowflake.snowpark.functions as F
from snowflake.ml.feature_store import CreationMode, Entity, Feature, FeatureStore, FeatureView, FeatureViewStatus
from snowflake.snowpark import DataFrame, Session
from snowflake_support import fresh

PEOPLE = [
    (1, 30.0, "Bern", "2024-01-01 00:00:00"),
    (1, 31.0, "Basel", "2024-02-01 00:00:00"),
    (2, 40.0, "Oslo", "2024-01-15 00:00:00"),
]
ASKED = [
    (1, "2024-01-20 00:00:00"),
    (1, "2024-02-01 00:00:00"),
    (1, "2024-03-01 00:00:00"),
    (2, "2024-01-01 00:00:00"),
    (9, "2024-05-05 00:00:00"),
]
# What was known of each at that time.
KNOWN = [(1, 30.0, "Bern"), (1, 31.0, "Basel"), (1, 31.0, "Basel"), (2, None, None), (9, None, None)]


@dataclass
class Store:
    """A feature store of the tests' own, over a table of people."""

    session: Session
    store: FeatureStore
    entity: Entity
    table: str

    @property
    def people(self) -> DataFrame:
        """What the feature views are made of."""
        return self.session.table(self.table).select("ID", "AGE", "CITY", "AT")

    @property
    def spine(self) -> DataFrame:
        """What features are asked for."""
        asked = self.session.create_dataframe(ASKED, schema=["ID", "AT"])
        return asked.select("ID", F.to_timestamp_ntz("AT").alias("AT"))

    def registered(self, refresh_freq: str | None = None, name: str | None = None, **given: Any) -> FeatureView:
        """A feature view that is registered under a name of its own."""
        view = FeatureView(
            name or fresh("FV"), [self.entity], self.people, timestamp_col="AT", refresh_freq=refresh_freq, **given
        ).attach_feature_desc({"AGE": "age in years"})
        return self.store.register_feature_view(view, "V1")


@pytest.fixture(scope="module")
def fs(session: Session, account: dict[str, Any]) -> Iterator[Store]:
    """The store."""
    table = f"{account['database']}.{account['schema']}.{fresh('PEOPLE')}"
    session.sql(f"CREATE TABLE {table} (id INT, age FLOAT, city VARCHAR, at TIMESTAMP_NTZ)").collect()
    values = ", ".join(str(row) for row in PEOPLE)
    session.sql(f"INSERT INTO {table} VALUES {values}").collect()
    warehouse = session.get_current_warehouse()
    name = fresh("FS")
    with pytest.raises(Exception, match="does not exist"):
        FeatureStore(session, account["database"], name, warehouse)
    store = FeatureStore(session, account["database"], name, warehouse, creation_mode=CreationMode.CREATE_IF_NOT_EXIST)
    entity = Entity("person", ["ID"], desc="a person")
    store.register_entity(entity)
    session.use_schema(f"{account['database']}.{account['schema']}")
    yield Store(session, store, store.get_entity("person"), table)
    session.sql(f"DROP SCHEMA {account['database']}.{name} CASCADE").collect()
    session.use_schema(f"{account['database']}.{account['schema']}")


@pytest.fixture(scope="module")
def managed(fs: Store) -> FeatureView:
    """A feature view that is a dynamic table."""
    return fs.registered("1 day", desc="it's managed")


@pytest.fixture(scope="module")
def static(fs: Store) -> FeatureView:
    """A feature view that is a view."""
    return fs.registered(desc="it's a view")


def known(frame: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Rows by entity and time, NaN as None."""
    found = frame.order_by("ID", "AT").to_pandas()[list(columns)].astype(object)
    return list(found.where(found.notna(), None).itertuples(index=False, name=None))


def test_entities(fs: Store) -> None:
    name = fresh("E")
    fs.store.register_entity(Entity(name, ["A", "B"], desc="first"))
    fs.store.update_entity(name, desc="it's second")
    entity = fs.store.get_entity(name)
    assert ([str(key) for key in entity.join_keys], entity.desc) == (["A", "B"], "it's second")
    assert {name, "PERSON"} <= set(fs.store.list_entities().to_pandas()["NAME"])
    fs.store.delete_entity(name)
    assert name not in set(fs.store.list_entities().to_pandas()["NAME"])
    with pytest.raises(Exception, match="Cannot find Entity"):
        fs.store.get_entity(name)


def test_a_store_is_found_again(fs: Store, managed: FeatureView, account: dict[str, Any]) -> None:
    schema = str(fs.store._config.schema)
    again = FeatureStore(fs.session, account["database"], schema, fs.session.get_current_warehouse())
    found = again.get_feature_view(str(managed.name), "V1")
    assert found.status == FeatureViewStatus.ACTIVE
    assert (found.refresh_freq, found.desc, str(found.timestamp_col)) == ("1 day", "it's managed", "AT")
    assert found.feature_descs == {"AGE": "age in years", "CITY": ""}
    assert [(e.name, e.desc) for e in found.entities] == [("PERSON", "a person")]


def test_a_view_is_found_again(fs: Store, static: FeatureView) -> None:
    found = fs.store.get_feature_view(str(static.name), "V1")
    assert (found.status, found.refresh_freq, found.desc) == (FeatureViewStatus.STATIC, None, "it's a view")
    assert found.feature_descs == {"AGE": "age in years", "CITY": ""}


def test_feature_views_are_listed(fs: Store, managed: FeatureView, static: FeatureView) -> None:
    listed = fs.store.list_feature_views(entity_name="person").to_pandas().set_index("NAME")
    assert listed.loc[str(managed.name), "REFRESH_FREQ"] == "1 day"
    assert listed.loc[str(static.name), "REFRESH_FREQ"] is None
    assert listed.loc[[str(managed.name), str(static.name)], "VERSION"].tolist() == ["V1", "V1"]


@pytest.mark.parametrize("kind", ["managed", "static"])
def test_feature_views_are_read(fs: Store, kind: str, request: pytest.FixtureRequest) -> None:
    frame = fs.store.read_feature_view(request.getfixturevalue(kind))
    expected = sorted((i, a, c, datetime.fromisoformat(t)) for i, a, c, t in PEOPLE)
    assert sorted(tuple(row) for row in frame.collect()) == expected


def test_a_managed_view_is_refreshed_suspended_and_resumed(fs: Store) -> None:
    view = fs.registered("1 hour")
    table = view.fully_qualified_name()
    count = f"SELECT count(*) FROM {table}"
    fs.session.sql(f"INSERT INTO {fs.table} VALUES (3, 50, 'Rome', '2024-01-01')").collect()
    try:
        assert fs.session.sql(count).collect()[0][0] == len(PEOPLE)
        fs.store.refresh_feature_view(view)
        assert fs.session.sql(count).collect()[0][0] == len(PEOPLE) + 1
    finally:
        fs.session.sql(f"DELETE FROM {fs.table} WHERE id = 3").collect()
    assert fs.store.suspend_feature_view(view).status == FeatureViewStatus.SUSPENDED
    assert fs.store.resume_feature_view(str(view.name), "V1").status == FeatureViewStatus.ACTIVE
    history = fs.store.get_refresh_history(view).to_pandas()
    assert history["STATE"].tolist().count("SUCCEEDED") >= 2
    fs.store.delete_feature_view(view)


def test_properties_are_updated(fs: Store) -> None:
    view, static = fs.registered("1 hour"), fs.registered()
    fs.store.update_feature_view(view, refresh_freq="2 days", desc="other")
    fs.store.update_feature_view(static, desc="it's other")
    found = fs.store.get_feature_view(str(view.name), "V1")
    assert (found.refresh_freq, found.desc) == ("2 days", "other")
    assert fs.store.get_feature_view(str(static.name), "V1").desc == "it's other"
    for one in (view, static):
        fs.store.delete_feature_view(one)
    with pytest.raises(Exception, match="Failed to find FeatureView"):
        fs.store.get_feature_view(str(view.name), "V1")


def test_registering_again_keeps_what_is_there_unless_it_is_to_be_replaced(fs: Store) -> None:
    first = fs.registered("1 hour")
    other = FeatureView(str(first.name), [fs.entity], fs.people.filter("AGE > 30"), timestamp_col="AT")
    with pytest.warns(UserWarning, match="already exists"):
        fs.store.register_feature_view(other, "V1")
    assert fs.store.read_feature_view(str(first.name), "V1").count() == 3
    fs.store.register_feature_view(other, "V1", overwrite=True)
    assert fs.store.get_feature_view(str(first.name), "V1").status == FeatureViewStatus.STATIC
    assert fs.store.read_feature_view(str(first.name), "V1").count() == 2
    back = FeatureView(str(first.name), [fs.entity], fs.people, timestamp_col="AT", refresh_freq="1 day")
    fs.store.register_feature_view(back, "V1", overwrite=True)
    assert fs.store.get_feature_view(str(first.name), "V1").status == FeatureViewStatus.ACTIVE
    fs.store.delete_feature_view(str(first.name), "V1")


def test_an_entity_in_use_is_not_deleted(fs: Store, managed: FeatureView) -> None:
    with pytest.raises(Exception, match=str(managed.name)):
        fs.store.delete_entity("person")


@pytest.mark.parametrize("kind", ["managed", "static"])
@pytest.mark.parametrize("join_method", ["sequential", "cte"])
def test_a_training_set_has_what_was_known_at_the_time(
    fs: Store, kind: str, join_method: str, request: pytest.FixtureRequest
) -> None:
    view = request.getfixturevalue(kind)
    found = fs.store.generate_training_set(fs.spine, [view], spine_timestamp_col="AT", join_method=join_method)
    assert known(found, "ID", "AGE", "CITY") == KNOWN


def test_a_training_set_of_slices_with_the_times_of_its_features(
    fs: Store, managed: FeatureView, static: FeatureView
) -> None:
    found = fs.store.generate_training_set(
        fs.spine,
        [managed.slice(["AGE"]).with_name("m_"), static.slice(["CITY"])],
        spine_timestamp_col="AT",
        include_feature_view_timestamp_col=True,
    )
    age = next(name for name in found.columns if "AGE" in name.upper())
    assert known(found, "ID", age.strip('"'), "CITY") == KNOWN
    assert known(found, f"{managed.name}_V1_AT")[:2] == [
        (pd.Timestamp("2024-01-01"),),
        (pd.Timestamp("2024-02-01"),),
    ]


def test_a_training_set_without_times_joins_by_key(fs: Store, managed: FeatureView) -> None:
    spine = fs.session.create_dataframe([(2,), (9,)], schema=["ID"])
    found = fs.store.generate_training_set(spine, [managed]).order_by("ID").to_pandas()
    assert found["CITY"].tolist() == ["Oslo", None]
    asked = fs.store.retrieve_feature_values(spine, [managed]).order_by("ID").to_pandas()
    assert asked["AGE"].tolist()[0] == 40.0


def test_a_training_set_is_saved_once(fs: Store, static: FeatureView) -> None:
    name = fresh("TRAINING")
    saved = fs.store.generate_training_set(fs.spine, [static], spine_timestamp_col="AT", save_as=name)
    assert known(saved, "ID", "AGE", "CITY") == KNOWN
    with pytest.raises(Exception, match="already exists"):
        fs.store.generate_training_set(fs.spine, [static], spine_timestamp_col="AT", save_as=name)


def test_features_over_windows_of_time(fs: Store) -> None:
    view = FeatureView(
        fresh("FV"),
        [fs.entity],
        fs.people,
        timestamp_col="AT",
        refresh_freq="1 hour",
        feature_granularity="1d",
        features=[Feature.sum("AGE", "40d"), Feature.count("AGE", "40d")],
    )
    registered = fs.store.register_feature_view(view, "V1")
    found = fs.store.generate_training_set(fs.spine, [registered], spine_timestamp_col="AT", join_method="cte")
    total, number = (name for name in found.columns if "AGE" in name)
    # The window ends before the day that is asked for, and reaches back 40 days.
    assert known(found.filter("ID = 1"), total, number) == [(30.0, 1), (30.0, 1), (31.0, 1)]
    fs.store.delete_feature_view(registered)


def test_a_dataset_knows_its_feature_views(fs: Store, managed: FeatureView) -> None:
    made = fs.store.generate_dataset(
        fresh("DS"), fs.spine, [managed.slice(["AGE"])], version="v1", spine_timestamp_col="AT", desc="it's a set"
    )
    assert (made.list_versions(), made.selected_version.comment) == (["v1"], "it's a set")
    found = made.read.to_pandas().sort_values(["ID", "AT"])
    ages = [None if pd.isna(age) else age for age in found["AGE"]]
    assert list(zip(found["ID"], ages, strict=True)) == [(i, age) for i, age, _ in KNOWN]
    loaded = fs.store.load_feature_views_from_dataset(made)
    assert [str(view.feature_view_ref.name) for view in loaded] == [str(managed.name)]
    with pytest.raises(Exception, match="already exists"):
        fs.store.generate_dataset(
            made.fully_qualified_name, fs.spine, [managed], version="v1", spine_timestamp_col="AT"
        )
