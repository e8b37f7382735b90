"""What the installation and the webhook must agree on."""

from typing import Final

CONFIGURATION: Final = "chatcluster-operator"
"""Name of the ValidatingWebhookConfiguration."""
HOOK: Final = "chatclusters.chatcluster.dev"
"""Name of the webhook in it."""
SERVICE: Final = "chatcluster-webhook"
"""Service through which the API server reaches the operator, and the Secret with the certificate for that."""
AUTHORITY: Final = "chatcluster-webhook-authority"
"""Secret with the authorities that signed it."""
PATH: Final = "/validate"
