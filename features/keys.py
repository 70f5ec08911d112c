"""Entities: whom we count. An impression's keys are the names under which its entities are counted.

`ENTITIES` is the one list: adding an entity is adding a line.
"""

from collections.abc import Callable
from typing import cast

from schemas.impression import NULL_DEVICE_ID, Impression

Key = str
# One key an entity, in the order of ENTITIES; None where the entity is nobody. Entities of one impression may share
# a key (a user known by device_id *is* that device): it is counted once.
Keys = tuple[Key | None, ...]


def _device_ip(impression: Impression) -> Key:
    return "i" + impression.device_ip


def _device_id(impression: Impression) -> Key | None:
    """The null device id is shared by most of the log: it is nobody and never counted."""
    device_id = impression.device_id
    return "d" + device_id if device_id and device_id != NULL_DEVICE_ID else None


def _user(impression: Impression) -> Key:
    """The device where it is known, else address and model; the length keeps 'ab'+'c' and 'a'+'bc' apart."""
    device_ip = impression.device_ip
    return _device_id(impression) or f"u{len(device_ip)}:{device_ip}{impression.device_model}"


ENTITIES: dict[str, Callable[[Impression], Key | None]] = {
    "device_ip": _device_ip,
    "device_id": _device_id,
    "user": _user,
}


def _keys() -> Callable[[Impression], Keys]:
    """The function `keys`, unrolled: it takes half the time of a loop over the entities."""
    key_of = {f"key_of_{entity}": function for entity, function in ENTITIES.items()}
    calls = "".join(f"{name}(impression), " for name in key_of)
    return cast(Callable[[Impression], Keys], eval(f"lambda impression: ({calls})", key_of))  # noqa: S307  # our own text


# `keys(impression)`: the keys under which the impression's entities are counted.
keys = _keys()
