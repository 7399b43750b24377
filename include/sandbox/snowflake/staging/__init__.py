"""Stages and the files in them: reading, loading, unloading, and datasets."""
