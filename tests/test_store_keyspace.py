"""The names of what the store keeps."""

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from store import keyspace
from store.keyspace import Source

NAMESPACES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), min_size=1, max_size=20)


@given(
    NAMESPACES, st.from_regex(r"[a-zA-Z0-9._-]{1,30}", fullmatch=True), st.integers(0, 10_000), st.integers(0, 10**6)
)
def test_all_names_of_a_namespace_share_a_slot(namespace: str, topic: str, partition: int, day: int) -> None:
    """Redis Cluster puts all keys of one Lua call on one node."""
    source = Source(topic, partition)
    names = [
        keyspace.batch_number(namespace),
        keyspace.fence(namespace, source),
        keyspace.log(namespace, source),
        keyspace.day(namespace, day),
        keyspace.day(namespace, day + 1),
    ]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == len(names)


def test_sources_do_not_share_names() -> None:
    """Partition 1 of topic 'a:1' and partition 11 of topic 'a' have fences of their own."""
    sources = [Source("a", 1), Source("a", 11), Source("a:1", 1), Source("a", 0), Source("b", 1)]
    assert len({keyspace.fence("n", source) for source in sources}) == len(sources)
    assert len({keyspace.log("n", source) for source in sources}) == len(sources)


def test_patterns_take_the_namespace_literally() -> None:
    """A namespace with the signs of a pattern in it finds its own names and no others."""
    found = keyspace.any_day("a*[b]?")
    assert found == r"{a\*\[b\]\?}:day:*"
    assert keyspace.anything("a*[b]?") == r"{a\*\[b\]\?}:*"
