"""TLS for gRPC, from a file as TensorFlow Serving's `--ssl_config_file` takes."""

import ssl
import tempfile
from pathlib import Path

import grpc

from albert_tf.serving.config_files import SSLConfig, read_message
from albert_tf.serving.errors import invalid_argument


def server_credentials(path: str | Path) -> grpc.ServerCredentials:
    """Reads key, certificate and the authority for clients; the file holds the PEM texts.

    Raises:
        ServingError: the file cannot be read, or what it holds is no matching key and
            certificate.
    """
    config = read_message(path, SSLConfig)
    _check(config, path)
    pair = (config.server_key.encode(), config.server_cert.encode())
    authority = config.custom_ca.encode() or None
    return grpc.ssl_server_credentials([pair], authority, config.client_verify)


def _check(config: SSLConfig, path: str | Path) -> None:
    """gRPC would only say that it cannot bind."""
    for name in ("server_key", "server_cert"):
        if not getattr(config, name):
            raise invalid_argument(f"{path} must give {name}: the PEM text itself, not its path.")
    if config.client_verify and not config.custom_ca:
        raise invalid_argument(f"{path}: client_verify needs custom_ca, which signs the clients'.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Python reads a private key from a file only; this one can be read by its owner alone.
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem") as pem:
        try:
            pem.write(f"{config.server_key}\n{config.server_cert}")
            pem.flush()
            context.load_cert_chain(pem.name)
            if config.custom_ca:
                context.load_verify_locations(cadata=config.custom_ca)
        except (ssl.SSLError, UnicodeEncodeError) as error:
            raise invalid_argument(
                f"{path} must hold a private key, its certificate and, for custom_ca, another, "
                f"all as PEM text: {error}"
            ) from error
