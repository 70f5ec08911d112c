"""Whether a trial's scores are what they must be. Everybody's are checked; ours also bit for bit by `replay.verify`."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from features.keys import Key, keys
from features.windows import COUNT_NAMES, WINDOWS
from model.bundle import Bundle
from replay.consume import Read
from replay.verify import verify
from schemas import hours, impression, score
from schemas.impression import Impression

CountedScore = score.struct_of(COUNT_NAMES)
_CHUNK = 2000
_HOUR = tuple(WINDOWS).index("1h")


class Checks:
    """Counts what is wrong in the scores of the filled topic.

    Args:
        bundle: that scored.
        impressions: the topic's records.
    """

    def __init__(self, bundle: Bundle, impressions: Sequence[Read]) -> None:
        self._bundle = bundle
        self._impressions = impressions
        self._shown = {(one.partition, one.offset): impression.decode(one.value) for one in impressions}

    def of(self, contender: str) -> Callable[[Sequence[Read]], int]:
        """The check of a contender."""
        return {"ours": self.parity, "limit": self.copies}.get(contender, self.answers)

    def parity(self, found: Sequence[Read]) -> int:
        """Ours: scores that the batch path does not give with the same bits, and impressions left out."""
        report = verify(self._bundle, _reached(self._impressions, found), found, [])
        return report.parity_mismatches + report.lost + report.unexpected + report.differing_duplicates

    def copies(self, found: Sequence[Read]) -> int:
        """The limit's: records that are no impression of the topic."""
        values = {record.value for record in self._impressions}
        return sum(record.value not in values for record in found)

    def answers(self, found: Sequence[Read]) -> int:
        """The others': scores with counts that nobody can have had, or a click_proba that these counts do not give.

        In which order partitions were counted is not known here. But whatever it was, the impressions of a key in an
        hour found 0, 1, 2, ... before them, each number once.
        """
        scored = [msgspec.json.decode(record.value or b"", type=CountedScore) for record in found]
        return self._wrong_numbers(scored) + self._wrong_probabilities(scored)

    def _wrong_numbers(self, scored: Sequence[score.Score]) -> int:
        numbers: dict[tuple[Key, int], list[int]] = defaultdict(list)
        for one in scored:
            shown = self._shown[one.partition, one.offset]
            counted = [getattr(one, name) for name in COUNT_NAMES][_HOUR :: len(WINDOWS)]
            for key, number in dict(zip(keys(shown), counted, strict=True)).items():
                if key is not None:
                    numbers[key, hours.index(shown.hour)].append(number)
        return sum(sorted(given) != list(range(len(given))) for given in numbers.values())

    def _wrong_probabilities(self, scored: Sequence[score.Score]) -> int:
        wrong = 0
        for start in range(0, len(scored), _CHUNK):
            chunk = scored[start : start + _CHUNK]
            expected = self._bundle.predict([self._row(one) for one in chunk])
            wrong += sum(one.click_proba != right for one, right in zip(chunk, expected, strict=True))
        return wrong

    def _row(self, one: score.Score) -> list[float]:
        shown: Impression = self._shown[one.partition, one.offset]
        return self._bundle.build(shown, tuple(getattr(one, name) for name in COUNT_NAMES))


def _reached(impressions: Sequence[Read], found: Sequence[Read]) -> list[Read]:
    """The impressions up to the last scored one of each partition: a trial may be stopped before the topic's end."""
    last: dict[int, int] = {}
    for record in found:
        one = msgspec.json.decode(record.value or b"", type=score.Score)
        last[one.partition] = max(one.offset, last.get(one.partition, -1))
    return [record for record in impressions if record.offset <= last.get(record.partition, -1)]
