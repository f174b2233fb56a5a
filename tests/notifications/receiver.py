"""A real https receiver on loopback, with a certificate of its own, that answers as told."""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "hooks.example.org"
OK = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
Answer = Callable[[ssl.SSLSocket], None]


def answers(status: int, *headers: str) -> Answer:
    """Return what answers with that status and these header lines."""
    lines = [f"HTTP/1.1 {status} So", *headers, "Content-Length: 0", "", ""]
    return lambda sock: sock.sendall("\r\n".join(lines).encode())


@dataclass(frozen=True)
class Received:
    """One request as it came: header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``script`` answers one request each; after it every request gets 204."""

    port: int
    certificate: Path
    script: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts this receiver alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


@contextlib.contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    """Serve until the block ends."""
    certificate, key = _make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = Receiver(server.getsockname()[1], certificate)
        thread = threading.Thread(target=_serve, args=(server, context, serving), daemon=True)
        thread.start()
        try:
            yield serving
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=60)


def _serve(server: socket.socket, context: ssl.SSLContext, serving: Receiver) -> None:
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        with plain, contextlib.suppress(OSError):
            plain.settimeout(60)
            with context.wrap_socket(plain, server_side=True) as sock:
                serving.received.append(_read(sock))
                answer = serving.script.pop(0) if serving.script else None
                sock.sendall(OK) if answer is None else answer(sock)


def _read(sock: ssl.SSLSocket) -> Received:
    stream = sock.makefile("rb")
    line = stream.readline().decode().strip()
    headers: dict[str, str] = {}
    while text := stream.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    return Received(line, headers, stream.read(int(headers["content-length"])))


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "receiver.pem", folder / "receiver.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
