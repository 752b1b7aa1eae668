"""Know how good an index and its answers are: question sets in, scores with intervals out.

`questions` and `gold` read a question set and find its gold in the index; `retrieval` scores
rankings (`metrics`), `answers` has a model judge answers; `generation` writes question sets from
an index; `comparing` tells whether a change made things better; `results` and `report` keep what
came out. Everything here uses the engine as an application would, so it stands above it.
"""
