"""Failures of pods, nodes and networks under a chatting ChatCluster whose stores have several members: what is done
(`faults`), how long no write to each store is taken (`probes`), and where that time goes (`timeline`)."""
