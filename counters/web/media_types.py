"""How a request's body is sent: its media type and its codings."""

from __future__ import annotations

from counters.web import replies
from counters.web.replies import Reply
from counters.web.request import Fields

_TWO_TYPES = replies.error(400, "Content-Type is given twice", field="Content-Type")
_ENCODED = replies.reply(
    415,
    {
        "error": "Content-Encoding is not identity: send the body as it is",
        "field": "Content-Encoding",
    },
    Accept_Encoding="identity",
)


def transfer_refusal(fields: Fields) -> Reply | None:
    """Return the reply to a body that cannot be read as it is sent; None where it can."""
    if fields.transfer_encoding.strip().lower() in ("", "chunked"):
        return None
    return replies.error(501, "Transfer-Encoding is not chunked", field="Transfer-Encoding")


def media_type_of(fields: Fields) -> str | Reply:
    """Return the media type of the body, in lower case, or the reply that refuses it."""
    if fields.content_encoding.strip().lower() not in ("", "identity"):
        return _ENCODED
    media_type = fields.content_type.partition(";")[0].strip().lower()
    return _TWO_TYPES if "," in media_type else media_type
