"""Prometheus metrics that every service has; each service adds its own beside its code, named `chat_<service>_…`."""

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter("chat_http_requests_total", "HTTP requests answered.", ["service", "method", "route", "status"])
HTTP_SECONDS = Histogram(
    "chat_http_request_duration_seconds",
    "Time from a request's head to the end of its answer.",
    ["service", "method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DRAINING = Gauge("chat_draining", "1 while the process drains before it exits.", ["service"])
READY = Gauge("chat_ready_check", "1 when the check of a dependency last passed.", ["service", "check"])
