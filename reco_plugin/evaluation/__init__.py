"""One evaluator for any log: protocols, models, figures, verdicts. Plain Python: a log in, figures out.

A log is cut by a protocol; every model learns from the same part, is asked the same requests under the same
exclusions, and ranks all that may be answered, never a sample. Each is fitted in a process of its own.
"""
