"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong: pytest's own time limit ends what hangs.
settings.register_profile("chatcluster", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chatcluster")
