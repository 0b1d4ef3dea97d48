"""Recipients as keyed HMACs: nothing tells the number, rotation keeps everyone findable."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.recipient_keys import (
    RecipientKeys,
    RecipientKeysError,
    recipient_keys_path,
    rotate_recipient_keys,
)
from ingest.tenants import TenantDocument

NUMBER = "+447700900123"
CLEAR = TenantDocument("main")
KEYED = TenantDocument("main", recipient_privacy="hmac")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return recipient_keys_path(tmp_path / "var")


def test_in_clear_nothing_is_keyed_and_no_key_is_made(path: Path) -> None:
    keys = RecipientKeys(path)
    assert keys.stored_form(CLEAR, NUMBER) == NUMBER
    assert keys.forms("main", NUMBER) == (NUMBER,)
    assert not path.exists()


def test_a_stored_form_tells_the_key_and_not_the_number(path: Path) -> None:
    form = RecipientKeys(path).stored_form(KEYED, NUMBER)
    assert form.startswith("hmac:k1:")
    assert "7700" not in form
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert RecipientKeys(path).stored_form(KEYED, NUMBER) == form
    assert RecipientKeys(path).stored_form(KEYED, form) == form
    other = TenantDocument("other", recipient_privacy="hmac")
    assert RecipientKeys(path).stored_form(other, NUMBER) != form


def test_what_only_looks_like_a_stored_form_is_keyed_as_any_other(path: Path) -> None:
    forged = f"hmac:k9:{'0' * 32}"
    assert RecipientKeys(path).stored_form(KEYED, forged) != forged


def test_after_a_rotation_and_from_clear_everyone_is_still_found(path: Path) -> None:
    keys = RecipientKeys(path)
    first = keys.stored_form(KEYED, NUMBER)
    assert rotate_recipient_keys(path) == "k2"
    second = keys.stored_form(KEYED, NUMBER)
    assert second.startswith("hmac:k2:")
    assert keys.forms("main", NUMBER) == (second, first, NUMBER)
    assert keys.stored_form(KEYED, first) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_programs_that_start_together_agree_on_one_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        forms = set(pool.map(lambda _: RecipientKeys(path).stored_form(KEYED, NUMBER), range(64)))
    assert len(forms) == 1


@pytest.mark.parametrize("content", ["", "k1 abc\n", "k1\n", f"k1 {'0' * 64}\n\n"])
def test_a_damaged_file_is_refused_with_advice(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(RecipientKeysError, match="backup"):
        RecipientKeys(path).stored_form(KEYED, NUMBER)
