"""Accounts made, sessions begun, kept and ended."""
