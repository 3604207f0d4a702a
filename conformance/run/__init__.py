"""
One run of the suite, apart from pytest and apart from the command line.

`plugin` speaks pytest's hooks and `cli` speaks to people; what both need to know
of a run is here: its settings, where the suite lies, what a scenario proves, what
a failure blames, and the environment's life.
"""
