"""Intervals, tests, corrections, components, bootstrap and power: pure functions on arrays, without pandas.

What they work on comes from ``analysis``; nothing here knows studies, files or tables.
"""
