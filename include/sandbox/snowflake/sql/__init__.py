"""Parsed SQL put into the engine's terms: names, functions, definitions, Time Travel."""
