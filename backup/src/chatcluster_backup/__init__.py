"""Backup and restore of a ChatCluster: all stores, bound to one moment, in any S3."""
