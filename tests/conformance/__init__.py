"""The increment lane, asgi.py without it, and Django's WSGI handler answer and count the same."""
