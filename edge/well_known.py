"""What a domain says of the apps that may open its links; phones and app stores ask for it."""

from typing import Final

from edge.answers import Answer
from edge.domains import Domain

MAX_AGE_S: Final = 300  # those who ask keep what they got for hours anyway

_APPLE_APP_SITE_ASSOCIATION: Final = b"/.well-known/apple-app-site-association"
_ASSETLINKS: Final = b"/.well-known/assetlinks.json"


def association_file(domain: Domain, target: bytes) -> Answer | None:
    """The association file of the domain at a request target; None where the target is no such file's.

    A domain without that file has nothing there.
    """
    path = target.partition(b"?")[0]
    if path == _APPLE_APP_SITE_ASSOCIATION:
        body = domain.apple_app_site_association
    elif path == _ASSETLINKS:
        body = domain.assetlinks
    else:
        return None
    if not body:
        return None
    headers = (
        ("Cache-Control", f"public, max-age={MAX_AGE_S}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    )
    return Answer(200, "OK", headers, body)
