"""Benchmarks of reco_plugin: what we claim of speed and memory, each beside the plainest floor.

`python -m benchmarks` lists them, `python -m benchmarks NAME [--json] [--quick]` runs one from nothing.
"""
