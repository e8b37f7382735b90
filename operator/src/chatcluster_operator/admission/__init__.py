"""The validating webhook: what the API server's own rules cannot see is said before a ChatCluster is taken.

It only helps. While it does not answer, everything is let through, and conditions say the same later.
"""

from chatcluster_operator.admission.certificate import WebhookCertificate
from chatcluster_operator.admission.names import CONFIGURATION, HOOK, PATH, SERVICE
from chatcluster_operator.admission.scout import Scout
from chatcluster_operator.admission.server import AdmissionServer

__all__ = ["CONFIGURATION", "HOOK", "PATH", "SERVICE", "AdmissionServer", "Scout", "WebhookCertificate"]
