"""Orders to the saboteurs in a service's processes; `saboteur.py` says what they mean."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.testbed.commands import GUNICORN
from tests.testbed.service import Service

SABOTAGED_MANAGE = (sys.executable, "-m", "tests.torture.sabotaged_manage")
_SABOTAGED_GUNICORN = (*GUNICORN, "--config", "tests/torture/sabotaged_gunicorn.py")


def sabotaged_service(folder: Path, **settings: str) -> Service:
    """Return a service, not started yet, whose processes carry out orders."""
    orders = folder / "orders"
    orders.mkdir(parents=True)
    return Service(
        folder,
        command=_SABOTAGED_GUNICORN,
        DJANGO_SETTINGS_MODULE="incrementer_site.settings",  # manage.py would set it
        TORTURE_ORDERS=str(orders),
        **settings,
    )


def orders_folder(service: Service) -> Path:
    """Return the folder of a sabotaged service's orders, and of what its saboteurs note."""
    return Path(service.environment["TORTURE_ORDERS"])


def give_order(service: Service, name: str, text: str = "") -> Path:
    """Give the saboteurs an order; return its file. A process that obeys once removes it."""
    path = orders_folder(service) / name
    path.with_suffix(".tmp").write_text(text)
    return path.with_suffix(".tmp").rename(path)
