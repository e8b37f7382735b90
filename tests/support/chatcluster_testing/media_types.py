"""Media types that schemathesis does not know; loaded by `tests/platform/schemathesis.toml`."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
