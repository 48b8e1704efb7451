"""The note to restart dockerd, which cannot reload its certificate (moby#23936)."""

from __future__ import annotations

from dockertls_vault.credential.layout import Layout


def note(layout: Layout) -> str:
    """Return how to make a daemon serve the certificate that is now in use."""
    if layout is Layout.DIND:
        return (
            "dockerd in the container reads these files only at startup; restart the container to "
            "use the new certificate"
        )
    return (
        "dockerd reads these files only at startup; restart it to use the new certificate "
        "(systemctl restart docker)"
    )
