"""`make siege`: its requests, its check of the totals, and that this check can fail."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from siege.run import acknowledged, problems, read_requests
from siege.url_gen import URLS
from tests.testbed.commands import ROOT
from tests.testbed.programs import needs
from tests.testbed.service import Service


def generate(*options: str) -> None:
    command = [sys.executable, "siege/url_gen.py", *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_committed_urls_are_what_url_gen_writes(tmp_path: Path) -> None:
    generate("--output", str(tmp_path / "urls.txt"))
    assert (tmp_path / "urls.txt").read_text() == URLS.read_text()
    requests = read_requests(URLS)
    assert len(requests) == 1000
    assert {int(key) for key, _ in requests} <= set(range(1, 101))
    assert {value for _, value in requests} <= set(range(1, 101))


def test_options_of_url_gen(tmp_path: Path) -> None:
    file = tmp_path / "urls.txt"
    options = "--count 50 --keys 7 7 --values -2 -2 --host example.org --port 80 --seed 5"
    generate(*options.split(), "--output", str(file))
    line = "http://example.org:80/increment POST key=7&value=-2\n"
    assert file.read_text() == line * 50


def test_answers_are_read_from_the_output_of_siege() -> None:
    requests = [("a", 10), ("b", 20)]
    output = [
        "HTTP/1.1,200,  0.01,     12,http://localhost:3333/increment,1,2026-01-01 00:00:00",
        "HTTP/1.1,200,  0.01,     12,http://localhost:3333/increment,1,2026-01-01 00:00:00",
        "HTTP/1.1,503,  0.01,     12,http://localhost:3333/increment,0,2026-01-01 00:00:00",
        "[error] socket: read error Connection reset by peer sock.c:539",
        "",
    ]
    assert acknowledged(output, requests) == [("b", 20), ("b", 20)]


def test_check_finds_what_is_wrong() -> None:
    sent = Counter(a=10, b=5)
    assert problems(sent, Counter(a=10, b=5), 3, 100.0) == []
    assert problems(sent, Counter(a=12, b=6), 3, 100.0) == []
    assert "key b" in problems(sent, Counter(a=10, b=4), 3, 100.0)[0]
    assert "4 more" in problems(sent, Counter(a=10, b=9), 3, 100.0)[0]
    assert "99.9" in problems(sent, Counter(a=10, b=5), 3, 99.9)[0]
    assert problems(Counter(), Counter(), 3, 100.0)


@needs("siege")
def test_siege_finds_every_increment_in_the_totals(service: Service, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    generate("--port", str(service.port), "--output", str(urls))
    done = subprocess.run(
        [sys.executable, "-m", "siege.run", "--urls", urls, "--seconds", "3"],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every acknowledged increment is in the totals" in done.stdout


def test_siege_without_a_service_says_what_to_do(tmp_path: Path) -> None:
    service = Service(tmp_path)
    (tmp_path / "siege").symlink_to("/bin/true")
    urls = tmp_path / "urls.txt"
    generate("--port", str(service.port), "--output", str(urls))
    for path, advice in [(str(tmp_path), "make run"), ("/nowhere", "apt install siege")]:
        done = subprocess.run(
            [sys.executable, "-m", "siege.run", "--urls", urls],
            cwd=ROOT,
            env={**service.environment, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert advice in done.stderr
