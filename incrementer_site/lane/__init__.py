"""The increment lane: `POST /increment` answered straight from the HTTP parser.

An ordinary request becomes an ASGI scope, a task, and a trip through Django. An increment needs
none of that. At the end of the event loop's turn in which it came, it is recorded together with the
others (turn.py), and its reply is one write. Whatever is not a plain `POST /increment` goes the
ordinary way, through uvicorn's own protocol.

This package alone knows uvicorn. It uses the internals of uvicorn's protocol, so requirements.txt
pins the version exactly.
"""
