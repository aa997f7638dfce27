"""The simulator's own certificate authority, and the server context for localhost.

The authority outlives a restart: its certificate is where clients look for it, its key beside it, readable by its
owner only. What clients do with the certificate is theirs.
"""

import os
import ssl
from pathlib import Path

import trustme

SQL_HOSTS = ("*.datawarehouse.fabric.microsoft.com", "*.database.fabric.microsoft.com", "*.database.windows.net")


def sql_context(ca_file: Path) -> ssl.SSLContext:
    """A TLS context for the hosts that data stores are reached by; the CA is that of `server_context`, made before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # TDS 7.4 knows no later one
    authority = _known(ca_file) or _made(ca_file)
    authority.issue_cert(*SQL_HOSTS).configure_cert(context)
    return context


def server_context(ca_file: Path) -> ssl.SSLContext:
    """A TLS context for localhost and 127.0.0.1, its CA in ca_file (PEM), made anew only when there is none."""
    authority = _known(ca_file) or _made(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def _key_file(ca_file: Path) -> Path:
    return ca_file.with_suffix(".key")


def _known(ca_file: Path) -> trustme.CA | None:
    if not ca_file.exists() or not _key_file(ca_file).exists():
        return None
    return trustme.CA.from_pem(ca_file.read_bytes(), _key_file(ca_file).read_bytes())


def _made(ca_file: Path) -> trustme.CA:
    authority = trustme.CA()
    ca_file.parent.mkdir(parents=True, exist_ok=True)
    _write(_key_file(ca_file), authority.private_key_pem.bytes(), 0o600)
    _write(ca_file, authority.cert_pem.bytes(), 0o644)
    return authority


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put the file there at once, never half of it, never readable by more than it should be."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    draft.replace(path)
