"""`GET /`: what this is, in JSON, or as a small page for a browser."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join

import counters
from counters.web import idempotency, replies
from counters.web.replies import Reply
from counters.web.request import Request

PATH = "/"
DESCRIPTION = "/openapi.json"

_NAME = "Incrementer"
_SENTENCE = "A counter service: post a key and a whole number, and read the key's total."
_ENDPOINTS = {
    "POST /increment": "counts: key=abcdef&value=1, or the same as JSON, or a list of that",
    "GET /numbers/{key}": "the total of one key",
    "PUT /numbers/{key}": "sets it, and DELETE deletes it",
    "GET /numbers": "totals by prefix, in the order of keys or values; or of the keys named",
    "GET /numbers.csv": "all totals, and /numbers.ndjson the same",
    "GET /badge/{key}.svg": "a total as a picture",
    "GET /healthz": "whether it lives, and /readyz whether it counts and flushes",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; }}
body {{ max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }}
h1 {{ margin: 0; font-size: 1.75rem; }}
h1 small {{ font-size: 1rem; font-weight: normal; opacity: .7; }}
dl {{ margin: 1.5rem 0; }}
dt {{ font-family: ui-monospace, monospace; overflow-wrap: anywhere; }}
dd {{ margin: 0 0 .75rem; opacity: .8; }}
</style>
</head>
<body>
<h1>{name} <small>{version}</small></h1>
<p>{sentence}</p>
<dl>
{endpoints}
</dl>
<p>All of it is described in <a href="{description}">{description}</a>.</p>
</body>
</html>
"""


def answer(request: Request) -> Reply:
    """Return what this is, its version, and where it is described."""
    if "text/html" in request.fields.accept:
        return _page().with_headers(Vary="Accept")
    detail = {
        "name": _NAME,
        "version": counters.__version__,
        "about": _SENTENCE,
        "endpoints": _ENDPOINTS,
        "description": DESCRIPTION,
        "idempotency_hours": idempotency.retention_hours(),
    }
    return replies.tagged(detail, Vary="Accept")


def _page() -> Reply:
    body = format_html(
        _PAGE,
        name=_NAME,
        version=counters.__version__,
        sentence=_SENTENCE,
        endpoints=format_html_join("\n", "<dt>{}</dt><dd>{}</dd>", _ENDPOINTS.items()),
        description=DESCRIPTION,
    )
    headers = (
        ("Cache-Control", "no-cache"),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    )
    return Reply(200, body.encode(), headers, content_type="text/html; charset=utf-8")
