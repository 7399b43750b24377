"""The SQL of models, form by form: what the registry's client does not send, but people do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_support import log
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.model import ExportMode
from snowflake.ml.registry import Registry
from snowflake_support import fresh, refused


@pytest.fixture(scope="module")
def source(registry: Registry) -> str:
    """A model of two versions that nobody changes."""
    name = fresh("SQL_SOURCE")
    log(registry, name, "V1")
    registry.log_model(registry.get_model(name).version("V1"), model_name=name, version_name="V2")
    return name


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """A cursor of the test's own."""
    with connection.cursor() as opened:
        yield opened


@pytest.fixture
def model(cursor: SnowflakeCursor, source: str) -> str:
    """A model of the test's own, with versions V1 and "v 2"."""
    name = fresh("SQL")
    cursor.execute(f"CREATE MODEL {name} WITH VERSION V1 FROM MODEL {source} VERSION V2")
    cursor.execute(f'ALTER MODEL {name} ADD VERSION "v 2" FROM MODEL {source}')
    return name


def versions(cursor: SnowflakeCursor, model: str) -> dict[str, dict[str, Any]]:
    """The rows of SHOW VERSIONS by name."""
    cursor.execute(f"SHOW VERSIONS IN MODEL {model}")
    names = [column.name for column in cursor.description]
    return {row[1]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}


def test_versions_and_aliases_are_named_in_every_spelling(cursor: SnowflakeCursor, model: str) -> None:
    cursor.execute(f"ALTER MODEL {model} VERSION \"v 2\" SET ALIAS='blue';")
    cursor.execute(f"alter model if exists {model.lower()} /* the */ set\n default_version = Blue -- now")
    assert json.loads(versions(cursor, model)["v 2"]["aliases"]) == ["DEFAULT", "LAST", "BLUE"]
    cursor.execute(f"ALTER MODEL {model} SET DEFAULT_VERSION = 'V1'")
    cursor.execute(f"ALTER MODEL {model} VERSION BLUE UNSET ALIAS")
    assert json.loads(versions(cursor, model)["V1"]["aliases"]) == ["DEFAULT", "FIRST"]
    with refused(1008, "invalid value 'two words'"):
        cursor.execute(f"""ALTER MODEL {model} VERSION V1 SET ALIAS = "two words" """)


def test_several_properties_are_set_by_one_statement(cursor: SnowflakeCursor, model: str) -> None:
    cursor.execute(f"""ALTER MODEL {model} SET COMMENT = 'it''s\\n"both"' DEFAULT_VERSION = "v 2" """)
    cursor.execute(f"""ALTER MODEL {model} MODIFY VERSION LAST SET COMMENT='c', METADATA=$${{"a": "it's"}}$$""")
    cursor.execute(f"SHOW MODELS LIKE '{model}'")
    shown = dict(zip([c.name for c in cursor.description], cursor.fetchone() or (), strict=True))
    assert (shown["comment"], shown["default_version_name"]) == ('it\'s\n"both"', "v 2")
    assert json.loads(shown["versions"]) == ["V1", "v 2"]
    assert json.loads(shown["aliases"]) == {"FIRST": "V1", "DEFAULT": "v 2", "LAST": "v 2"}
    version = versions(cursor, model)["v 2"]
    assert (version["comment"], json.loads(version["metadata"])) == ("c", {"a": "it's"})
    cursor.execute(f"COMMENT IF EXISTS ON MODEL {model} IS ''")
    cursor.execute(f"SHOW MODELS LIKE '{model}'")
    assert (cursor.fetchone() or ())[5] == ""


def test_a_statement_that_fails_changes_nothing(cursor: SnowflakeCursor, model: str) -> None:
    with refused(2003, "Version 'V9'"):
        cursor.execute(f"ALTER MODEL {model} SET COMMENT = 'new' DEFAULT_VERSION = V9")
    with refused(1008, "METADATA"):
        cursor.execute(f"ALTER MODEL {model} MODIFY VERSION V1 SET COMMENT = 'new' METADATA = '[1]'")
    cursor.execute(f"SHOW MODELS LIKE '{model}'")
    assert not (cursor.fetchone() or ())[5]
    assert not versions(cursor, model)["V1"]["comment"]


def test_if_exists_bears_a_model_that_is_not_there(cursor: SnowflakeCursor, source: str) -> None:
    for statement in (
        "ALTER MODEL IF EXISTS nobody SET COMMENT = 'x'",
        "ALTER MODEL IF EXISTS nobody VERSION V1 UNSET ALIAS",
        "ALTER MODEL IF EXISTS nobody DROP VERSION V1",
        f"ALTER MODEL IF EXISTS nobody ADD VERSION V1 FROM MODEL {source}",
        "DROP MODEL IF EXISTS nobody",
    ):
        assert len(cursor.execute(statement).fetchall()) == 1
        with refused(2003, "NOBODY' does not exist"):
            cursor.execute(statement.replace(" IF EXISTS", ""))


def test_a_model_is_replaced_or_left_as_it_is(cursor: SnowflakeCursor, model: str, source: str) -> None:
    again = f"WITH VERSION NEW FROM MODEL {source}"
    with refused(100132, "already exists"):
        cursor.execute(f"CREATE MODEL {model} {again}")
    cursor.execute(f"CREATE MODEL IF NOT EXISTS {model} {again}")
    assert list(versions(cursor, model)) == ["V1", "v 2"]
    cursor.execute(f"CREATE OR REPLACE MODEL {model} WITH VERSION NEW FROM MODEL {model} VERSION V1")
    assert list(versions(cursor, model)) == ["NEW"]
    assert cursor.execute(f"SELECT MODEL({model})!PREDICT(4.0, 1.0):output_feature_0::INT").fetchone() == (1,)


def test_a_package_is_taken_from_a_stage_of_any_name(
    cursor: SnowflakeCursor, registry: Registry, source: str, tmp_path: Path
) -> None:
    registry.get_model(source).version("V1").export(str(tmp_path), export_mode=ExportMode.FULL)
    schema, name = fresh("two words"), fresh("M")
    before = cursor.execute("SELECT CURRENT_SCHEMA()").fetchone() or ()
    cursor.execute(f'CREATE SCHEMA "{schema}"')
    cursor.execute('CREATE TEMPORARY STAGE "the stage"')
    stage = f'"{schema}"."the stage"'
    for file in tmp_path.rglob("*"):
        if file.is_file():
            place = file.parent.relative_to(tmp_path).as_posix()
            cursor.execute(f"PUT 'file://{file}' '@{stage}/my package/{place}' AUTO_COMPRESS=FALSE")
            cursor.execute(f"PUT 'file://{file}' '@{stage}/package/{place}' AUTO_COMPRESS=FALSE")
    cursor.execute(f"CREATE MODEL {name} WITH VERSION V1 FROM '@{stage}/my package'")
    cursor.execute(f"ALTER MODEL {name} ADD VERSION V2 FROM @{stage}/package/;")
    assert list(versions(cursor, name)) == ["V1", "V2"]
    assert cursor.execute(f"SELECT MODEL({name}, V2)!PREDICT(4.0, 1.0):output_feature_0::INT").fetchone() == (1,)
    with refused(398507, "MANIFEST.yml"):
        cursor.execute(f"ALTER MODEL {name} ADD VERSION V3 FROM @{stage}")
    cursor.execute(f'DROP SCHEMA "{schema}"')
    cursor.execute(f"USE SCHEMA {before[0]}")
    with refused(2003, "does not exist"):
        cursor.execute(f'SHOW VERSIONS IN MODEL "{schema}".{name}')


def test_models_are_shown_by_place_and_name(cursor: SnowflakeCursor, source: str, account: dict[str, Any]) -> None:
    prefix = fresh("SHOWN")
    for name in (f"{prefix}_B", f'"{prefix}_a"', f"{prefix}XC"):
        cursor.execute(f"CREATE MODEL {name} WITH VERSION V1 FROM MODEL {source}")

    def names(options: str) -> list[str]:
        return [row[0] for row in cursor.execute(f'SHOW MODELS {options} ->> SELECT "name" FROM $1').fetchall()]

    everything = [f"{prefix}XC", f"{prefix}_B", f"{prefix}_a"]
    assert sorted(names(f"LIKE '{prefix.lower()}%'")) == sorted(everything)
    assert names(f"LIKE '{prefix}\\\\_%' IN SCHEMA {account['database']}.{account['schema']}") == everything[1:]
    assert names(f"LIKE '{prefix}_C' IN DATABASE {account['database']}") == everything[:1]
    assert names(f"IN ACCOUNT STARTS WITH '{prefix}_'") == everything[1:]
    assert names(f"LIKE '{prefix}%' LIMIT 1 FROM '{prefix}XC'") == everything[1:2]
    with refused(2003, "does not exist"):
        cursor.execute("SHOW MODELS IN SCHEMA nobodys_schema")


def test_methods_are_shown_with_their_types(cursor: SnowflakeCursor, source: str) -> None:
    cursor.execute(f"SHOW FUNCTIONS LIKE 'predict' IN MODEL {source} VERSION LAST")
    rows, names = cursor.fetchall(), [column.name for column in cursor.description]
    shown = dict(zip(names, rows[0], strict=True))
    assert [shown[key] for key in ("name", "version_name", "language")] == ["PREDICT", "V2", "PYTHON"]
    assert (shown["min_num_arguments"], shown["max_num_arguments"], len(rows)) == (2, 2, 1)
    assert json.loads(shown["arguments"]) == ["DOUBLE", "DOUBLE"]
    assert shown["return_type"] == "OBJECT"


def test_versions_are_in_the_information_schema(cursor: SnowflakeCursor, model: str, account: dict[str, Any]) -> None:
    cursor.execute(f"ALTER MODEL {model} MODIFY VERSION V1 SET COMMENT = 'changed'")
    rows = cursor.execute(
        "SELECT model_version_name, version_aliases, comment, functions, python_version, language, "
        "metadata, last_altered > created "
        f"FROM {account['database']}.INFORMATION_SCHEMA.MODEL_VERSIONS WHERE model_name = '{model}' ORDER BY 1"
    ).fetchall()
    assert [(row[0], json.loads(row[1]), row[2], row[7]) for row in rows] == [
        ("V1", ["DEFAULT", "FIRST"], "changed", True),
        ("v 2", ["LAST"], None, False),
    ]
    assert "PREDICT_PROBA" in json.loads(rows[0][3])
    assert (rows[0][4], rows[0][5], rows[0][6]) == ("3.11", "PYTHON", "{}")


def test_tags_are_set_inherited_and_taken_off(cursor: SnowflakeCursor, registry: Registry, model: str) -> None:
    tag, other = fresh("TAG"), f'"{fresh("t ag")}"'
    cursor.execute(f"CREATE TAG {tag} ALLOWED_VALUES 'a', 'b$'")
    cursor.execute(f"CREATE TAG {other}")
    found = registry.get_model(model)
    found.set_tag(tag, "b$")
    cursor.execute(f"ALTER MODEL {model} SET TAG {tag} = 'a', {other} = 'it''s'")
    assert (found.get_tag(tag), found.get_tag(other)) == ("a", "it's")
    assert sorted(found.show_tags().values()) == ["a", "it's"]
    with refused(1008, "invalid value 'c'"):
        cursor.execute(f"ALTER MODEL {model} SET TAG {tag} = 'c'")
    with refused(2003, "does not exist"):
        cursor.execute(f"ALTER MODEL {model} SET TAG nobodys_tag = 'c'")
    new = fresh("RENAMED")
    found.rename(new)
    assert found.get_tag(tag) == "a"
    cursor.execute(f"ALTER MODEL {new} UNSET TAG {tag}, {other}")
    assert (found.get_tag(tag), found.show_tags()) == (None, {})


def test_a_definition_of_a_model_commits_what_is_open(connection: SnowflakeConnection, source: str) -> None:
    table, name = fresh("T"), fresh("M")
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {table} (a INT)")
    cursor.execute("BEGIN")
    cursor.execute(f"INSERT INTO {table} VALUES (1)")
    cursor.execute(f"CREATE MODEL {name} WITH VERSION V1 FROM MODEL {source}")
    cursor.execute("ROLLBACK")
    assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (1,)
    assert list(versions(cursor, name)) == ["V1"]
