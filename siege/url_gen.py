"""Make the URLs of the load test: random increments, in the format that siege reads."""

from __future__ import annotations

import argparse
import random
from pathlib import Path


def main() -> None:
    options = _options()
    randint = random.Random(options.seed).randint
    with options.output.open("w") as file:
        for _ in range(options.count):
            key, value = randint(*options.keys), randint(*options.values)
            file.write(
                f"http://{options.host}:{options.port}/increment POST key={key}&value={value}\n"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="URLs to make")
    parser.add_argument("--keys", type=int, nargs=2, default=(1, 100), metavar=("MIN", "MAX"))
    parser.add_argument("--values", type=int, nargs=2, default=(1, 100), metavar=("MIN", "MAX"))
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=3333)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same URLs")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("urls.txt"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
