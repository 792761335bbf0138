"""The demo: a corpus made from the docstrings of the standard library, and questions about it."""
