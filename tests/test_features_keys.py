"""Keys: which entities of an impression are counted, under which names."""

import fakes
import pytest
import strategies
from hypothesis import given

from features.keys import ENTITIES, keys
from schemas.impression import NULL_DEVICE_ID, Impression


def test_the_entities_are_address_device_and_user() -> None:
    """What is counted, in the order of the keys."""
    assert tuple(ENTITIES) == ("device_ip", "device_id", "user")


def test_a_known_device_is_its_own_user() -> None:
    """Where the device id is real, device and user share one key."""
    device_ip, device_id, user = keys(fakes.impression(device_id="d", device_ip="a", device_model="m"))
    assert device_id == user
    assert None not in (device_ip, device_id)
    assert device_ip != device_id


@pytest.mark.parametrize("nobody", ["", NULL_DEVICE_ID])
def test_the_null_device_is_nobody(nobody: str) -> None:
    """A null or empty device id is not counted, and the user is address and model."""
    one = keys(fakes.impression(device_id=nobody, device_ip="a", device_model="m"))
    assert one[1] is None
    assert one[2] is not None
    assert one[2] != keys(fakes.impression(device_id=nobody, device_ip="a", device_model="n"))[2]
    assert one[2] != keys(fakes.impression(device_id=nobody, device_ip="b", device_model="m"))[2]


def test_what_looks_like_the_null_device_is_somebody() -> None:
    """Only the exact null id is nobody."""
    assert keys(fakes.impression(device_id=NULL_DEVICE_ID.upper()))[1] is not None
    assert keys(fakes.impression(device_id=" "))[1] is not None


def test_address_and_model_do_not_run_into_each_other() -> None:
    """'ab' + 'c' and 'a' + 'bc' are different users, and so are addresses that look like a length."""
    pairs = [("ab", "c"), ("a", "bc"), ("abc", "x"), ("1:a", "bc"), ("1", ":abc"), ("1:ab", "c")]
    users = [keys(fakes.impression(device_id="", device_ip=ip, device_model=model))[2] for ip, model in pairs]
    assert len(set(users)) == len(pairs)


def test_entities_do_not_share_a_namespace() -> None:
    """An address, a device and a user of the same text are counted apart."""
    found = {
        *keys(fakes.impression(device_id="a", device_ip="a", device_model="a")),
        keys(fakes.impression(device_id="", device_ip="a", device_model="a"))[2],
    }
    assert len(found) == 3


@given(strategies.impressions(), strategies.impressions())
def test_users_are_equal_exactly_when_what_defines_them_is(one: Impression, other: Impression) -> None:
    """Users are equal when both have the same real device, or neither has one and address and model agree."""

    def definition(shown: Impression) -> tuple[str, ...]:
        real = shown.device_id not in ("", NULL_DEVICE_ID)
        return ("device", shown.device_id) if real else ("pair", shown.device_ip, shown.device_model)

    assert (keys(one)[2] == keys(other)[2]) == (definition(one) == definition(other))


@given(strategies.wide_impressions())
def test_keys_are_a_pure_function_of_text(impression: Impression) -> None:
    """There is one key an entity, each a text or None, and asking twice gives the same."""
    found = keys(impression)
    assert len(found) == len(ENTITIES)
    assert all(key is None or (isinstance(key, str) and key) for key in found)
    assert keys(impression) == found
