"""Which servers a model may be asked at."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

# Names by which clouds serve a machine's credentials, beside the link-local addresses.
METADATA_HOSTS = ("metadata.google.internal", "metadata.goog", "metadata")
METADATA_ADDRESSES = (
    ipaddress.ip_address("fd00:ec2::254"),
    ipaddress.ip_address("100.100.100.200"),
)


def checked_url(url: str, *, allow_link_local: bool = False) -> str:
    """Return `url` if a request may go there.

    Args:
        url: Where a server answers, http or https.
        allow_link_local: Also link-local and metadata addresses.

    Raises:
        ValueError: The scheme is another one, there is no host, or the address is refused.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"base_url: expected http or https, got {parts.scheme or 'no scheme'!r}")
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise ValueError("base_url: expected a host, got none")
    if parts.username or parts.password:
        raise ValueError("base_url: expected no user or password in it; use api_key")
    if not allow_link_local and (host.lower() in METADATA_HOSTS or _is_refused(host)):
        raise ValueError(
            f"base_url: expected no link-local or metadata address, got {host}; "
            "allow_link_local=True permits it"
        )
    return url


def _is_refused(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:  # the request will say so
        return False
    return any(_is_metadata(str(address[0])) for *_, address in found)


def _is_metadata(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_link_local or address in METADATA_ADDRESSES
