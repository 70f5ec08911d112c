"""Gathering: concurrent impressions share a round trip, and nobody gets another's answer or error."""

import asyncio
from collections.abc import Sequence

import fakes

from api.counts import StoreAwayError
from api.gather import TOGETHER, BusyError, gathered
from api.score import CountedPrediction, Scored
from schemas.impression import Impression


class Scorer:
    """Answers with the impression's id after some turns of the event loop; knows what it was asked."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.poison: set[str] = set()
        self.away = False

    async def __call__(self, impressions: Sequence[Impression]) -> list[Scored]:
        """One answer an impression."""
        self.calls.append(len(impressions))
        for _ in range(3):
            await asyncio.sleep(0)
        if self.away:
            raise StoreAwayError
        if poisoned := self.poison & {one.id for one in impressions}:
            raise ArithmeticError(poisoned)
        return [
            Scored(CountedPrediction(one.id, one.device_ip, 0.5, "v", one.hour, 0.0, *(0,) * 6), [])
            for one in impressions
        ]


def shown(number: int) -> Impression:
    """An impression with this number as its id."""
    return fakes.impression(id=str(number))


async def test_concurrent_impressions_are_scored_together_each_with_its_own_answer() -> None:
    """What comes while a call is under way makes up the next one, up to the bound."""
    scorer = Scorer()
    score_one = gathered(scorer, 10_000)
    found = await asyncio.gather(*(score_one(shown(number)) for number in range(1000)))
    assert [one.prediction.id for one in found] == [str(number) for number in range(1000)]
    assert sum(scorer.calls) == 1000
    assert len(scorer.calls) == -(-1000 // TOGETHER)


async def test_one_after_the_other_each_has_a_call_of_its_own() -> None:
    """Nobody waits for company, and a gatherer that fell idle starts again."""
    scorer = Scorer()
    score_one = gathered(scorer, 10)
    for number in range(20):
        assert (await score_one(shown(number))).prediction.id == str(number)
    assert scorer.calls == [1] * 20


async def test_an_impression_on_which_scoring_fails_takes_nobody_with_it() -> None:
    """The one to blame gets its error, the others their scores."""
    scorer = Scorer()
    scorer.poison = {"3"}
    score_one = gathered(scorer, 10)
    found = await asyncio.gather(*(score_one(shown(number)) for number in range(5)), return_exceptions=True)
    assert [isinstance(one, ArithmeticError) for one in found] == [False, False, False, True, False]


async def test_an_absent_redis_is_asked_once_for_all() -> None:
    """Each of those that wait is told, without a call for each."""
    scorer = Scorer()
    scorer.away = True
    score_one = gathered(scorer, 10)
    found = await asyncio.gather(*(score_one(shown(number)) for number in range(5)), return_exceptions=True)
    assert all(isinstance(one, StoreAwayError) for one in found)
    assert scorer.calls == [5]


async def test_too_many_are_turned_away() -> None:
    """Beyond the bound an impression is refused at once; those that wait are scored, and later ones again."""
    score_one = gathered(Scorer(), 3)
    found = await asyncio.gather(*(score_one(shown(number)) for number in range(10)), return_exceptions=True)
    assert [isinstance(one, BusyError) for one in found] == [False] * 3 + [True] * 7
    assert (await score_one(shown(11))).prediction.id == "11"


async def test_a_client_that_hangs_up_harms_nobody() -> None:
    """A cancelled request leaves the others of its call unharmed."""
    score_one = gathered(Scorer(), 10)
    tasks = [asyncio.create_task(score_one(shown(number))) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[2].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[2], asyncio.CancelledError)
    assert [one.prediction.id for number, one in enumerate(found) if number != 2] == ["0", "1", "3", "4"]  # type: ignore[union-attr]
