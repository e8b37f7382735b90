"""The edge proxy: its commented configuration template and the function that renders it."""
