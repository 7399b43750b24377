"""Unit tests of the training package."""
