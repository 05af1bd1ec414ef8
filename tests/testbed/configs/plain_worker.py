"""The service's gunicorn worker without the increment lane: uvicorn's own protocol, for all."""

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from incrementer_site.lane.worker import IncrementWorker


class PlainWorker(UvicornWorker):  # type: ignore[misc]  # uvicorn_worker has no types
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**IncrementWorker.CONFIG_KWARGS, "http": "httptools"}
