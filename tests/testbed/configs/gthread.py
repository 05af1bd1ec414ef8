"""A threaded WSGI server: the service as one might run it elsewhere."""

worker_class = "gthread"
workers = 2
threads = 4
