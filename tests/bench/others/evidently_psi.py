"""Prints how many seconds evidently's drift preset takes with PSI: baseline.parquet week.parquet."""

import sys
import time

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

baseline, week = (pd.read_parquet(file) for file in sys.argv[1:])
definition = DataDefinition(numerical_columns=list(week.columns))
sides = [Dataset.from_pandas(side, data_definition=definition) for side in (week, baseline)]
started = time.perf_counter()
Report([DataDriftPreset(num_method="psi")]).run(*sides)
print(time.perf_counter() - started)
