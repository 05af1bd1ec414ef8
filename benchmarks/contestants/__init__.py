"""The servers that are measured, and how each is started: one file for each family."""

from __future__ import annotations

from benchmarks.contestants.go import GO, GO_FASTHTTP
from benchmarks.contestants.nginx import NGINX, NGINX_COUNTING
from benchmarks.contestants.ours import INCREMENTER, INCREMENTER_ALWAYS
from benchmarks.contestants.proxies import BEHIND_CADDY, BEHIND_NGINX, BEHIND_NGINX_DEFAULT
from benchmarks.contestants.python import HELLO, NAIVE, NAIVE_WAL
from benchmarks.contestants.redis import REDIS, REDIS_ALWAYS

__all__ = [
    "ALL",
    "BEHIND_CADDY",
    "BEHIND_NGINX",
    "BEHIND_NGINX_DEFAULT",
    "GO",
    "GO_FASTHTTP",
    "HELLO",
    "INCREMENTER",
    "INCREMENTER_ALWAYS",
    "NAIVE",
    "NAIVE_WAL",
    "NGINX",
    "NGINX_COUNTING",
    "REDIS",
    "REDIS_ALWAYS",
]

ALL = (
    INCREMENTER,
    GO_FASTHTTP,
    NGINX_COUNTING,
    REDIS,
    GO,
    HELLO,
    NAIVE,
    NAIVE_WAL,
    NGINX,
    INCREMENTER_ALWAYS,
    REDIS_ALWAYS,
    BEHIND_NGINX,
    BEHIND_NGINX_DEFAULT,
    BEHIND_CADDY,
)
