"""Ask the API for predictions of a log's rows, at a rate and with some requests at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import aiohttp
import msgspec

from replay.log import Message

Method = Literal["GET", "POST"]
FIRST_ANSWERS = 3
NO_ANSWER = "no answer"
_TIMEOUT = aiohttp.ClientTimeout(total=30)


class Report(NamedTuple):
    """What became of the requests."""

    statuses: Counter[str]  # HTTP status, or NO_ANSWER with the error's name -> requests
    seconds: list[float]  # from sending a request to having its whole answer; those without one left out
    first: list[str]  # answers to the first requests, in the order of asking
    elapsed: float  # seconds from the first request to the last answer


async def ask(
    url: str,
    messages: Iterable[Message],
    *,
    rate: float | None = None,
    concurrency: int = 8,
    method: Method = "GET",
    key: str = "",
    progress: Callable[[int], None] = lambda requests: None,
) -> Report:
    """Send a request a message.

    Args:
        url: of the API, such as http://127.0.0.1:8000.
        messages: of `replay.log.messages`.
        rate: requests a second; None is as fast as the API answers.
        concurrency: requests that are under way at the same time, at the most.
        method: GET sends the fields as query parameters, POST the JSON as it is.
        key: of the API, if it asks for one.
        progress: told of each answer.
    """
    statuses: Counter[str] = Counter()
    seconds: list[float] = []
    first: dict[int, str] = {}
    todo = iter(enumerate(_paced(messages, rate)))
    headers = {"X-API-Key": key} if key else {}
    begun = time.monotonic()

    async def one(session: aiohttp.ClientSession, message: Message) -> tuple[int, str]:
        address = f"{url.rstrip('/')}/predict"
        if method == "POST":
            asked = session.post(address, data=message.value)
        else:
            asked = session.get(address, params=msgspec.json.decode(message.value or b"{}"))
        async with asked as answer:
            return answer.status, await answer.text()

    async def work(session: aiohttp.ClientSession) -> None:
        for number, (due, message) in todo:
            await asyncio.sleep(max(0.0, begun + due - time.monotonic()))
            sent = time.monotonic()
            try:
                status, text = await one(session, message)
            except (aiohttp.ClientError, TimeoutError) as error:
                statuses[f"{NO_ANSWER} ({type(error).__name__})"] += 1
            else:
                seconds.append(time.monotonic() - sent)
                statuses[str(status)] += 1
                if number < FIRST_ANSWERS:
                    first[number] = text
            progress(1)

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT, connector=connector) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    return Report(statuses, seconds, [first[number] for number in sorted(first)], time.monotonic() - begun)


def _paced(messages: Iterable[Message], rate: float | None) -> Iterator[tuple[float, Message]]:
    """Each message with the seconds after which it is due."""
    for number, message in enumerate(messages):
        yield (number / rate if rate else 0.0), message
