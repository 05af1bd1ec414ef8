"""Web pages that may count: browsers say which page a request is from, and nobody else does.

Any page can make its visitors' browsers post here, as it can with a form. Where that matters,
INCREMENT_ORIGINS names the origins whose pages may; programs, which send no Origin, always may.
"""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.http.request import split_domain_port, validate_host

ANY = "*"
"""Every page may."""
SELF = "self"
"""Pages may that come from the host that the request goes to, if ALLOWED_HOSTS has it.

Any page can have a name of its own lead to this machine ("DNS rebinding"). Its browser then takes
the page's host and ours for the same.
"""


def may_count(origins: Collection[str], origin: str, sec_fetch_site: str, host: str) -> bool:
    """Return whether a request with these headers may count; absent ones are empty.

    Args:
        origins: `ANY`, `SELF` and origins, such as "https://shop.example".
        sec_fetch_site: `Sec-Fetch-Site`, which browsers set and pages cannot
            (https://www.w3.org/TR/fetch-metadata/).
    """
    if ANY in origins or not (origin or sec_fetch_site):
        return True
    origin = origin.strip().lower()
    if origin in origins:
        return True
    is_own = sec_fetch_site.strip() == "same-origin" or (
        not sec_fetch_site and origin.partition("://")[2] == host.strip().lower() != ""
    )
    if is_own:
        return SELF in origins and _is_known(host)
    # "none": the person has done it, by the address bar or a bookmark.
    return not origin and sec_fetch_site.strip() == "none"


def _is_known(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return validate_host(domain, settings.ALLOWED_HOSTS)
