"""The operator: turns one ChatCluster object into a running chat platform."""
