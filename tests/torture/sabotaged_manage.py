"""`manage.py` with a saboteur in its process."""

import sys

import django
from django.core.management import execute_from_command_line

django.setup()

from tests.torture import saboteur  # noqa: E402  (needs Django to be set up)

saboteur.let_in()
execute_from_command_line(sys.argv)
