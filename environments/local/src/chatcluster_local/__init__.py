"""A real Kubernetes cluster on this machine, and ChatCluster on it."""
