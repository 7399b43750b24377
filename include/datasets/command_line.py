"""The command line that all datasets have: ``load`` weeks into a Snowflake table, and ``arrive-labels``."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from include.datasets.weekly_table import LoadError, WeeklyTable, last_complete_week

if TYPE_CHECKING:
    from include.datasets.generator import Generator


def run(generator: Generator[Any], name: str, description: str | None, arguments: list[str] | None = None) -> None:
    """Run a dataset's command line; exit with a message where a load cannot be done.

    :param name: of the module in `include.datasets`
    :param description: what ``--help`` says of the dataset
    :param arguments: default: those of the process
    """
    import snowflake.connector
    from snowflake.connector.errors import Error

    options = _parser(generator, name, description).parse_args(arguments)
    scenario = generator.scenario(**{field.name: getattr(options, field.name) for field in fields(generator.scenario)})
    connection_name = options.connection or os.environ.get("SNOWFLAKE_CONNECTION") or "sandbox"
    try:
        with snowflake.connector.connect(connection_name=connection_name) as connection:
            table = WeeklyTable(
                connection,
                generator.dataset(options.seed, scenario),
                database=options.database,
                schema=options.schema,
                table=options.table,
            )
            _run(options, table)
    except (LoadError, Error) as error:
        sys.exit(f"{options.command}: {error}")


def _run(options: argparse.Namespace, table: WeeklyTable) -> None:
    late = {"last_week": options.last_week, "labels_after_weeks": options.labels_after_weeks}
    if options.command == "load":
        plan = table.load(weeks=options.weeks, rows=options.rows, **late)
        print(f"{table.name}: weeks loaded: {_listed(plan.missing)}; week 1 begins on {plan.first_week}")
    else:
        plan = table.arrive_labels(**late)
    print(f"{table.name}: weeks whose labels arrived: {_listed(tuple(plan.due))}")


def _parser(generator: Generator[Any], name: str, description: str | None) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--connection", help="name in connections.toml; default $SNOWFLAKE_CONNECTION or sandbox")
    common.add_argument("--database", help="default: the connection's; made where it is missing")
    common.add_argument("--schema", help="default: the connection's; made where it is missing")
    common.add_argument("--table", default=generator.table, help="default %(default)s")
    common.add_argument(
        "--last-week",
        type=date.fromisoformat,
        default=last_complete_week(datetime.now(UTC).date()),
        help="Monday of the newest week that is over; default: the last complete one",
    )
    common.add_argument(
        "--labels-after-weeks",
        type=int,
        choices=range(53),
        metavar="N",
        default=generator.labels_after_weeks,
        help="how late labels are; default %(default)s",
    )
    common.add_argument("--seed", type=int, default=generator.seed)
    for field, week in asdict(generator.scenario()).items():
        common.add_argument(
            f"--{field.replace('_', '-')}",
            type=lambda text: None if text == "none" else _count(text),
            default=week,
            help="week number, or none; default %(default)s",
        )
    parser = argparse.ArgumentParser(prog=f"python -m include.datasets.{name}", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", parents=[common], help="load the missing weeks and the labels that are due")
    load.add_argument(
        "--weeks", type=_count, default=generator.weeks, help="how many weeks from the first one; default %(default)s"
    )
    load.add_argument("--rows", type=_count, default=generator.rows, help="rows a week; default %(default)s")
    commands.add_parser("arrive-labels", parents=[common], help="fill the labels that are due, load nothing")
    return parser


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return int(text)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
