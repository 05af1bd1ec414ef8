"""The same service as one would write it first in Django: one upsert per request."""
