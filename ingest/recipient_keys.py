"""Recipients as keyed HMACs, for tenants whose profile asks for it: what is stored in place of a number.

The keys stand in `<data dir>/recipient.keys`, outside of every database: a line each, `<id> <64 hex digits>`,
the current one first. Programs that share a catalogue must share the file. It is read again when it changes.

- A stored form names its key: `hmac:<key id>:<32 hex digits>`, of the tenant and the recipient.
- Rotating puts a new key before the others. Those are still needed to find who was stored under them: taking
  one out of the file makes everyone stored under it unfindable for ever.
- Whoever looks a recipient up asks for all of `forms`: it may have been stored before a rotation, or in
  clear before the tenant chose otherwise.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.key_file import make_file, replace_file
from ingest.tenants import TenantDocument

KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 16

_LINE: Final = re.compile(r"([a-z0-9]{1,16}) ([0-9a-f]{64})")
_STORED: Final = re.compile(r"hmac:([a-z0-9]{1,16}):[0-9a-f]{32}")


class RecipientKeysError(Exception):
    """The key file can't be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A key and the id by which what was made with it names it."""

    id: str
    secret: bytes

    def form(self, tenant: str, recipient: str) -> str:
        digest = hmac.digest(self.secret, f"{tenant}\0{recipient}".encode(), "sha256")
        return f"hmac:{self.id}:{digest[:DIGEST_BYTES].hex()}"

    def line(self) -> str:
        return f"{self.id} {self.secret.hex()}\n"


class RecipientKeys:
    """The keys in a file, which is made with one key when it is first needed. For any thread.

    Every method raises `RecipientKeysError` where the file holds no keys, `OSError` where it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], tuple[RecipientKey, ...]] | None = None

    def stored_form(self, tenant: TenantDocument, recipient: str) -> str:
        """What to store of a recipient. A stored form is its own: giving it in does no harm."""
        if tenant.recipient_privacy == "clear":
            return recipient
        keys = self._keys()
        stored = _STORED.fullmatch(recipient)
        if stored is not None and any(key.id == stored[1] for key in keys):
            return recipient
        return keys[0].form(tenant.id, recipient)

    def forms(self, tenant: str, recipient: str) -> tuple[str, ...]:
        """All that may be stored of a recipient of the tenant (its id): under each key, then in clear.

        An erasure or a look-up takes every one of them, whatever the tenant's profile is now.
        """
        if not self._path.exists():
            return (recipient,)  # no tenant ever asked for a key
        return (*(key.form(tenant, recipient) for key in self._keys()), recipient)

    def _keys(self) -> tuple[RecipientKey, ...]:
        if not self._path.exists():
            make_file(self._path, _new_key(()).line().encode())
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._read is None or self._read[0] != stamp:
            self._read = (stamp, _parse(self._path, self._path.read_text("ascii", "replace")))
        return self._read[1]


def recipient_keys_path(data_dir: Path) -> Path:
    return data_dir / "recipient.keys"


def rotate_recipient_keys(path: Path) -> str:
    """Put a new key before those in the file; its id. Programs use it from their next recipient on."""
    keys = _parse(path, path.read_text("ascii", "replace")) if path.exists() else ()
    key = _new_key(keys)
    replace_file(path, "".join(each.line() for each in (key, *keys)).encode())
    return key.id


def _new_key(others: tuple[RecipientKey, ...]) -> RecipientKey:
    taken = {key.id for key in others}
    number = next(number for number in range(1, len(taken) + 2) if f"k{number}" not in taken)
    return RecipientKey(f"k{number}", secrets.token_bytes(KEY_BYTES))


def _parse(path: Path, text: str) -> tuple[RecipientKey, ...]:
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise RecipientKeysError(
                f"{path}, line {number}, is no key (an id, a space, 64 hex digits): restore the file from a"
                " backup; without its keys, recipients stored under them can't be found again"
            )
        keys.append(RecipientKey(found[1], bytes.fromhex(found[2])))
    if not keys:
        raise RecipientKeysError(f"{path} holds no key: restore it from a backup, or delete it for a new one")
    return tuple(keys)
