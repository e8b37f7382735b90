"""The built-in provider: a real cluster on one Linux machine, as root and without Docker.

A machine of the cluster is a set of namespaces (network, mounts, processes) whose first process reaps the others.
Ending that process ends all that runs in the machine and gives back its mounts and links, as pulling the plug would.
"""
