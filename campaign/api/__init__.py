"""The Python API: the command's use cases on lists in memory, with results as DataFrames. It decides nothing itself."""
