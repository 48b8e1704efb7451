"""What is said only once."""

from __future__ import annotations

from dockertls_vault.vault.once import Once


def test_each_key_has_one_first_time() -> None:
    """Another key has its own."""
    once = Once()
    assert [once.first(key) for key in "abab"] == [True, True, False, False]
