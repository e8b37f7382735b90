"""What one aspect of the state comes to, and what all aspects share in saying it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

POD_REASONS: Final = ("ImagePullFailed", "ConfigurationMissing", "Unschedulable", "CrashLooping", "MigrationFailed")
"""What can keep a pod from running, the most telling first."""

PROBLEMS: Final = frozenset(
    {
        *POD_REASONS,
        "InvalidSpec",
        "SecretNotFound",
        "SecretKeyMissing",
        "StorageClassNotFound",
        "ReleaseUnknown",
        "ImageMissing",
        "NameTaken",
        "ApplyFailed",
        "ContractFailed",
        "UpgradeFailed",
        "CertManagerMissing",
        "CertificateMissing",
        "CertificateInvalid",
        "CertificateExpired",
        "CertificateExpiring",
        "CertificateNameMismatch",
        "RotationFailed",
        "RestartRefused",
        "OrderFailed",
        "ExpansionUnsupported",
        "ExpansionRefused",
        "FillingUp",
        "NearlyFull",
        "Full",
        "RecoveryFailed",
        "RecoveryRefused",
        "BackupNotFound",
        "ArchivingStopped",
        "BackupFailed",
        "BackupOverdue",
        "BackupBroken",
        "BackupNotVerified",
    }
)
"""Reasons that do not pass by themselves; each deserves an event."""

_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """One aspect: whether it holds, and why."""

    type: str
    holds: bool
    reason: str
    message: str

    @property
    def problem(self) -> bool:
        """Whether a person must mend it."""
        return self.reason in PROBLEMS


def join(messages: Iterable[str]) -> str:
    """The first few messages in one line, and how many more there are."""
    listed = list(messages)
    more = len(listed) - _LISTED
    return " | ".join(listed if more <= 0 else [*listed[:_LISTED], f"and {more} more"])
