"""A checker in the manner of Jepsen: random clients, faults, and rules that the history of both must keep.

`records` is what is written down, `clients` and `faults` make a history, `check` judges one and knows nothing of how it
was made, `run` brings them together.
"""
