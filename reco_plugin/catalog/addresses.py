"""Which addresses of the network are everybody's: what may be asked for a picture."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SPECIAL = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments (RFC 6890), which some Pythons call global
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
    )
)
_NOBODYS = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, benchmarking, ORCHID (RFC 2928, 4380, 5180, 7343)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4: holds an IPv4 address (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Within global unicast. IPv4-mapped, IPv4-compatible and NAT64 addresses, which hold an IPv4 address too,
as well as private, link-local and multicast ones, are outside of it."""


def is_global(address: str) -> bool:
    """Is it a host of the open internet, and nothing that stands for another address?"""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOBODYS)
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or any(ip in network for network in _SPECIAL)
    )
