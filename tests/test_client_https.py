"""The client over HTTPS: it counts where it trusts the certificate, and else keeps what it has."""

from __future__ import annotations

import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from incrementer_client import Counter
from tests.testbed.programs import needs
from tests.testbed.stand_in import StandIn
from tests.testbed.waiting import wait_for

pytestmark = needs("openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate for 127.0.0.1 that nobody else has signed, and its key."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    subject = ["-subj", "/CN=a test", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(path), "-out", str(path.with_suffix(".crt")), "-days", "2"]
    subprocess.run(["openssl", "req", *made, *subject, *files], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def stand_in(certificate: Path) -> Iterator[StandIn]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with StandIn(tls=context) as stand_in:
        yield stand_in


def test_it_counts_where_the_certificate_is_trusted(stand_in: StandIn, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Counter(stand_in.url, interval_seconds=0, ssl_context=trusting) as counter:
        for _ in range(3):
            sent = counter.stats().sent
            counter.increment("a")
            wait_for(lambda: counter.stats().sent == sent + 1, "it to count")  # noqa: B023
        stand_in.close_connections()
        counter.increment("a")
    assert stand_in.totals == {"a": 4}


def test_what_meets_a_certificate_that_is_not_trusted_is_kept_and_named_once(
    stand_in: StandIn, certificate: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "spool"
    with caplog.at_level(logging.WARNING):
        counter = Counter(
            stand_in.url, interval_seconds=0, max_pause_seconds=0.05, spool=spool, exit_seconds=0
        )
        counter.increment("a", 5)
        wait_for(lambda: len(stand_in.connections) > 3, "some attempts")
        assert counter.close() == 1
    (told,) = [each.getMessage() for each in caplog.records if "certificate" in each.getMessage()]
    assert "CERTIFICATE_VERIFY_FAILED" in told or "certificate verify failed" in told
    assert not stand_in.received
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Counter(stand_in.url, interval_seconds=0, ssl_context=trusting, spool=spool) as counter:
        counter.increment("b")
        wait_for(lambda: counter.stats().sent == 2, "that, and what the spool has")
    assert stand_in.totals == {"a": 5, "b": 1}
