"""Everything: the cluster, its images, the operator and one ChatCluster."""

from .progress import Progress
from .providers import Provider


class Environment:
    def __init__(self, provider: Provider, progress: Progress) -> None:
        self.provider, self.progress = provider, progress

    def up(self, *, cluster_only: bool) -> None:
        self.provider.check()
        self.provider.up(self.progress)

    def summary(self) -> str:
        return ""

    def url(self) -> str:
        return ""
