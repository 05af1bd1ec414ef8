"""The increment lane answers as Django's own ASGI and WSGI handlers do, and counts the same."""
