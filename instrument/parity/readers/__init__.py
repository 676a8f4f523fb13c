"""Reads a platform's file without anything of ours: libraries of others, or the format's own grammar.

Each module has ``READ_BY``, a sentence that says what reads the file, and ``read(files) -> dict``: from relative file
name → bytes to plain lists and dicts (`compare.py` says which). A test holds these modules to their promise: they import
nothing of `instrument` or `analysis`.
"""
