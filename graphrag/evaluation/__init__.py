"""Measure how good an index and its answers are, with intervals.

`questions` and `gold` read a question set and find its gold in the index; `retrieval` scores
rankings, `answers` has a model judge answers; `generate` writes question sets from
an index; `compare` tells whether a change made things better; `results` and `html_report` keep what
came out. Everything here uses the engine as an application would, so it stands above it.
"""
