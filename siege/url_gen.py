"""Writes the requests that siege sends, one on each line: random, but fixed by the seed."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

URLS = Path(__file__).with_name("urls.txt")


def urls(
    count: int, keys: tuple[int, int], values: tuple[int, int], host: str, port: int, seed: int
) -> Iterator[str]:
    """Yield `count` requests in siege's format; `keys` and `values` are ranges, ends included."""
    chance = random.Random(seed)
    for _ in range(count):
        key, value = chance.randint(*keys), chance.randint(*values)
        yield f"http://{host}:{port}/increment POST key={key}&value={value}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="how many requests")
    parser.add_argument("--keys", type=int, nargs=2, default=(1, 100), help="first and last")
    parser.add_argument("--values", type=int, nargs=2, default=(1, 100), help="first and last")
    parser.add_argument("--host", default="localhost", help="where the service is")
    parser.add_argument("--port", type=int, default=3333, help="its port")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other requests")
    parser.add_argument("--output", type=Path, default=URLS, help="file to write")
    options = parser.parse_args()
    for name in ("keys", "values"):
        first, last = getattr(options, name)
        if first > last:
            parser.error(f"--{name}: {first} is greater than {last}")
    lines = urls(
        options.count, options.keys, options.values, options.host, options.port, options.seed
    )
    options.output.write_text("".join(f"{line}\n" for line in lines))
    print(f"Wrote {options.count} requests to {options.output}.")


if __name__ == "__main__":
    main()
