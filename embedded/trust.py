"""How Java reaches the network of this machine: the certificate authorities to trust and the proxy to use.

Java reads neither the variables nor the certificate bundle that pip, curl and Python follow. Behind a company's proxy
that signs with its own authority a downloaded Java can therefore reach nothing, until it is told.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embedded.java import Java
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate
    from cryptography.x509 import Certificate

BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
SYSTEM_BUNDLES = tuple(
    Path("/etc", name)
    for name in ("ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt", "ssl/ca-bundle.pem", "ssl/cert.pem")
)
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def network_options(java: Java, environ: Mapping[str, str], cache: Path) -> tuple[str, ...]:
    """Return the `-D` options with which this Java reaches what pip on this machine reaches.

    A bundle named in the environment is for every Java; the system's bundle only for the wheel's, since an installed
    Java follows the system already. A trust store named in JAVA_TOOL_OPTIONS stays.
    """
    options = list(_proxy_options(environ))
    bundle = find_bundle(java, environ)
    if bundle and "javax.net.ssl.trustStore" not in environ.get("JAVA_TOOL_OPTIONS", ""):
        options.append(f"-Djavax.net.ssl.trustStore={trust_store(bundle, cache)}")
    return tuple(options)


def find_bundle(java: Java, environ: Mapping[str, str], system: tuple[Path, ...] = SYSTEM_BUNDLES) -> Path | None:
    """Return the PEM file with the authorities this Java must be told of; None if it needs none."""
    for variable in BUNDLE_VARIABLES:
        named = Path(environ.get(variable) or "/")
        if named.is_file():
            return named
        if not named.is_dir():
            raise UserError(f"{variable}={named} is not there. Correct the variable or unset it.")
    return next((path for path in system if path.is_file()), None) if java.source == "wheel" else None


def trust_store(bundle: Path, cache: Path) -> Path:
    """Return a Java trust store with the certificates of a PEM bundle, written once for each content of the bundle."""
    pem = bundle.read_bytes()
    store = cache / "trust" / f"{hashlib.sha256(pem).hexdigest()[:32]}.p12"
    if not store.is_file():
        write_atomic(store, _pkcs12(pem, bundle))
    return store


def _pkcs12(pem: bytes, bundle: Path) -> bytes:
    from cryptography.hazmat.primitives.serialization import NoEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_java_truststore

    certificates = list(_certificates(pem))
    if not certificates:
        raise UserError(f"{bundle} holds no certificate that can be read; a PEM file was expected.")
    return serialize_java_truststore(certificates, NoEncryption())


def _certificates(pem: bytes) -> "Iterator[PKCS12Certificate]":
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate

    for number, block in enumerate(dict.fromkeys(CERTIFICATE.findall(pem))):
        certificate = _certificate(block)
        if certificate is not None:
            yield PKCS12Certificate(certificate, f"authority-{number}".encode())


def _certificate(block: bytes) -> "Certificate | None":
    """Read one certificate of a bundle; an odd one must not cost the others."""
    from cryptography.x509 import load_pem_x509_certificate

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # old authorities bend the standard; whether to trust them is the bundle's choice
        try:
            return load_pem_x509_certificate(block)
        except ValueError:
            return None


def _proxy_options(environ: Mapping[str, str]) -> Iterator[str]:
    for scheme in ("http", "https"):
        url = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if not url:
            continue
        proxy = urlsplit(url if "//" in url else f"//{url}")
        yield f"-D{scheme}.proxyHost={proxy.hostname}"
        yield f"-D{scheme}.proxyPort={proxy.port or 80}"
    exceptions = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [f"*{host}" if host.startswith(".") else host for host in re.split(r"[,\s]+", exceptions) if host]
    if hosts:
        yield f"-Dhttp.nonProxyHosts={'|'.join(hosts)}"
