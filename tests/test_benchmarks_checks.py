"""The checks of a trial find what is wrong."""

import fakes
import msgspec
import pytest
from fakes import Streamed

from benchmarks.checks import Checks, CountedScore
from replay.consume import Read
from schemas import impression


@pytest.fixture(scope="module")
def streamed() -> Streamed:
    """Forty impressions in two partitions, scored rightly."""
    payloads = [impression.encode(one) for one in fakes.click_log(40, hours_spanned=3)]
    return fakes.streamed(fakes.bundle(), [payloads[::2], payloads[1::2]])


@pytest.fixture(scope="module")
def checks(streamed: Streamed) -> Checks:
    """The checks of these impressions."""
    return Checks(fakes.bundle(), streamed.impressions)


def changed(record: Read, **changes: object) -> Read:
    """The score with some fields changed."""
    found = msgspec.json.decode(record.value or b"", type=CountedScore)
    return record._replace(value=msgspec.json.encode(msgspec.structs.replace(found, **changes)))


@pytest.mark.parametrize("contender", ["ours", "confluent_loop"])
def test_right_scores_are_right(contender: str, checks: Checks, streamed: Streamed) -> None:
    """Nothing is found where nothing is wrong."""
    assert checks.of(contender)(streamed.scores) == 0


@pytest.mark.parametrize("contender", ["ours", "confluent_loop"])
@pytest.mark.parametrize("field", ["click_proba", "device_ip_count_1h"])
def test_a_wrong_number_is_found(field: str, contender: str, checks: Checks, streamed: Streamed) -> None:
    """A probability that the counts do not give, or a count that nobody can have had."""
    wrong = changed(streamed.scores[5], **{field: 77})
    assert checks.of(contender)([*streamed.scores[:5], wrong, *streamed.scores[6:]]) > 0


def test_a_trial_that_was_stopped_is_judged_by_what_it_reached(checks: Checks, streamed: Streamed) -> None:
    """What lies behind a partition's last score is not missing; what lies before it is."""
    assert checks.of("ours")(streamed.scores[:14]) == 0
    assert checks.of("ours")(streamed.scores[1:14]) > 0


def test_a_copy_must_be_of_the_topic(checks: Checks, streamed: Streamed) -> None:
    """The limit writes what it reads."""
    assert checks.of("limit")(streamed.impressions) == 0
    assert checks.of("limit")([*streamed.impressions, streamed.scores[0]]) == 1
