"""Prints how many seconds nannyml's Jensen-Shannon takes to fit and calculate: baseline.parquet week.parquet."""

import sys
import time

import nannyml
import pandas as pd

baseline, week = (pd.read_parquet(file) for file in sys.argv[1:])
calculator = nannyml.UnivariateDriftCalculator(
    column_names=list(week.columns), continuous_methods=["jensen_shannon"], chunk_number=1
)
started = time.perf_counter()
calculator.fit(baseline)
calculator.calculate(week)
print(time.perf_counter() - started)
