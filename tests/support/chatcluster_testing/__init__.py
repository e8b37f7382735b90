"""Helpers of the tests: real stores and services as processes, tokens, clients."""
