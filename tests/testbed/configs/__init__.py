"""Configurations of gunicorn other than the repository's own; `testbed.commands` names them."""
