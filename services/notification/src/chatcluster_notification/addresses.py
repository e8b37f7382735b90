"""Mail addresses, parsed by the standard library, which raises more than it says for malformed ones."""

from email.errors import MessageError
from email.headerregistry import Address


class AddressError(ValueError):
    """The text is no mail address; it never will be."""


def parse(display_name: str, address: str) -> Address:
    """The address with its name. Raises `AddressError`."""
    try:
        parsed = Address(display_name=display_name, addr_spec=address)
    except (ValueError, IndexError, MessageError) as error:
        raise AddressError("the address is malformed") from error
    if not parsed.username or not parsed.domain:
        raise AddressError("the address is malformed")
    return parsed
