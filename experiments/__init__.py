"""Experiments: one binary a file, run as `python -m experiments.<name>`."""
