"""`make siege`: its requests, its check of the totals, and that this check can fail."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from siege.run import acknowledged, problems
from siege.url_file import BadUrlFile, Request, read_requests
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
    requests = read_requests(URLS, {})
    assert len(requests) == 1000
    assert {request.url for request in requests} == {"http://localhost:3333/increment"}
    assert {int(request.key) for request in requests} <= set(range(1, 101))
    assert {request.value for request in requests} <= set(range(1, 101))


def test_options_of_url_gen(tmp_path: Path) -> None:
    file = tmp_path / "urls.txt"
    options = "--count 50 --keys 7 7 --values -2 -2 --host example.org --port 80 --seed 5"
    generate(*options.split(), "--output", str(file))
    line = "http://example.org:80/increment POST key=7&value=-2\n"
    assert file.read_text() == line * 50


EDITED = """
# HOST=commented.out
HOST = example.org:80

http://$(HOST)/increment POST key=a b&value=1
${HOST}/increment POST key=%C3%BC%24&value=-2
  # http://localhost/increment POST key=no&value=1
http://localhost/increment POST key=#1%2B$(SOME)&value=3
"""


def test_edited_url_file_is_read_as_siege_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "urls.txt"
    file.write_text(EDITED)
    requests = read_requests(file, {"SOME": "x"})
    assert [(request.key, request.value) for request in requests] == [
        ("a b", 1),
        ("ü$", -2),
        ("#1+x", 3),
    ]
    assert [request.url for request in requests] == [
        "http://example.org:80/increment",
        "http://example.org:80/increment",
        "http://localhost/increment",
    ]


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "example.org:1"),
        ({"PORT": "", "HOST": ""}, "example.org:1"),
        ({"PORT": "3406"}, "localhost:3406"),
        ({"HOST": "192.0.2.1"}, "192.0.2.1:3333"),
        ({"HOST": "[::]", "PORT": "5"}, "localhost:5"),
    ],
)
def test_requests_go_where_host_and_port_say(
    tmp_path: Path, environment: dict[str, str], address: str
) -> None:
    file = tmp_path / "urls.txt"
    file.write_text("http://example.org:1/increment POST key=a&value=1")
    (request,) = read_requests(file, environment)
    assert request.url == f"http://{address}/increment"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("http://localhost:3333/healthz", "it is no POST"),
        ("http://localhost:3333/inc POST key=a&value=1", "it does not go to /increment"),
        ("http://localhost:3333/increment POST </tmp/file", "has to stand in the line"),
        ("http://localhost:3333/increment POST value=1", "key has to be given once"),
        (
            "http://localhost:3333/increment POST key=a&value=1&value=2",
            "value has to be given once",
        ),
        ("http://localhost:3333/increment POST key=a&value=x", "value is not a whole number"),
        ('http://localhost:3333/increment POST {"key": "a"}', "bad query field"),
        ("http://$(HOST)/increment POST key=a&value=1", "$(HOST) is not set above"),
    ],
)
def test_url_file_that_is_no_increments_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "urls.txt"
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(BadUrlFile, match=re.escape(f"{file}, line 2: ")) as refused:
        read_requests(file, {})
    assert problem in str(refused.value)


def test_url_file_without_requests_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "urls.txt"
    with pytest.raises(BadUrlFile, match="cannot be read"):
        read_requests(file, {})
    file.write_text("# nothing\n")
    with pytest.raises(BadUrlFile, match="has no requests"):
        read_requests(file, {})
    file.write_bytes(b"\xff")
    with pytest.raises(BadUrlFile, match="cannot be read"):
        read_requests(file, {})


def test_answers_are_read_from_the_output_of_siege() -> None:
    url = "http://localhost:3333/increment"
    requests = [Request(url, "key=a&value=10", "a", 10), Request(url, "key=b&value=20", "b", 20)]
    output = [
        "HTTP/1.1,200,  0.01,     12,http://localhost:3333/increment,1,2026-01-01 00:00:00",
        "HTTP/1.1,200,  0.01,     12,http://localhost:3333/increment,1,2026-01-01 00:00:00",
        "HTTP/1.1,503,  0.01,     12,http://localhost:3333/increment,0,2026-01-01 00:00:00",
        "[error] socket: read error Connection reset by peer sock.c:539",
        "",
    ]
    assert acknowledged(output, requests) == [requests[1], requests[1]]


def test_check_finds_what_is_wrong() -> None:
    sent = Counter(a=10, b=5)
    assert problems(sent, Counter(a=10, b=5), 3, 100.0) == []
    assert problems(sent, Counter(a=12, b=6), 3, 100.0) == []
    assert "key b" in problems(sent, Counter(a=10, b=4), 3, 100.0)[0]
    assert "4 more" in problems(sent, Counter(a=10, b=9), 3, 100.0)[0]
    assert "99.9" in problems(sent, Counter(a=10, b=5), 3, 99.9)[0]
    assert problems(Counter(), Counter(), 3, 100.0)
    assert problems(Counter(a=-3), Counter(a=-4), 3, 100.0, {"a": -1}) == []
    assert problems(Counter(a=-3), Counter(a=-5), 3, 100.0, {"a": -1})


@needs("siege")
def test_siege_finds_every_increment_in_the_totals(service: Service, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    generate("--output", str(urls))  # for port 3333; the service's environment has another
    urls.write_text(EDITED + urls.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "siege.run", "--urls", urls, "--seconds", "3"],
        cwd=ROOT,
        env={**service.environment, "SOME": "x"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every acknowledged increment is in the totals" in done.stdout
    assert service.totals()["ü$"] < 0 < service.totals()["#1+x"]


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
