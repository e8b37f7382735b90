"""The audit log: what happened to accounts, who did it, and from where. Nothing in it is ever changed."""
