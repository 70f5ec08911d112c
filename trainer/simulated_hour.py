"""Draws the impressions of one hour of a simulated click log, with the true probability of each click.

An impression belongs to a visit, a visit to a user. A visit is the pair (hour it began, slot) and lasts up to a day;
its user, publisher and ip are hashes of that pair. So users come in bursts, come back within the day and on later
days, and an hour can be drawn without the hours before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.impression import NULL_DEVICE_ID
from trainer.simulated_ads import draw_creatives
from trainer.simulated_draws import Floats, Ints, Keys, pair, pick
from trainer.simulated_world import (
    NULL_APP,
    NULL_APP_CATEGORY,
    NULL_APP_DOMAIN,
    NULL_SITE,
    NULL_SITE_CATEGORY,
    NULL_SITE_DOMAIN,
    PLATFORMS,
    SITES,
    World,
)

NULL_DEVICE = int(NULL_DEVICE_ID, 16)
VISIT_HOURS = 24

# The Avazu log's audience. With these, 40 million impressions in 240 hours have 6.5 million ips and 2.6 million
# device ids (the real log: 6.7 and 2.7 million); 23,299 in 34 hours have 19,817 and 4,236 (its sample of that size:
# 19,929 and 4,247).
SLOTS_AN_HOUR, USERS, IPS = 100_000, 28e6, 18e6
GATEWAY_SHARE, ROAMING_SHARE = 0.22, 0.32
REAL_DEVICE_ON_SITE, REAL_DEVICE_IN_APP = 0.058, 0.404
CONNECTION_TYPES, CONNECTION_BOUNDS = np.array([0, 2, 3, 5]), np.array([0.888, 0.978, 0.9987])
NO_C20 = 0.515
FATIGUE = -1.2  # on the log-odds, at the most


@dataclass(frozen=True, slots=True)
class Visits:
    """Who sees the impressions of an hour, in time order. All arrays have one entry an impression.

    Attributes:
        key: Identifies the visit.
        user: Identifies the user.
        age: Hours since the visit began.
        slot: Rank of the visit among those that began in its hour, in [0, 1); low ones are the busiest.
        before: Earlier impressions of the same user in this hour.
    """

    key: Keys
    user: Keys
    age: Ints
    slot: Floats
    before: Ints


@dataclass(frozen=True, slots=True)
class Hour:
    """The impressions of one hour, in time order. All arrays have one entry an impression.

    Attributes:
        names: The columns that the log prints as 8 hexadecimal characters.
        codes: The columns that the log prints as integers (without id, click and hour).
        log_odds: Of a click, by what the columns and the counts tell; before the world's gain and intercept.
        own: What user, address and day add to the log-odds that no column tells; before the world's individuality.
        chance: Uniform in [0, 1); there is a click where it is below the click's probability.
    """

    names: dict[str, Keys]
    codes: dict[str, Ints]
    log_odds: Floats
    own: Floats
    chance: Floats


def draw_hour(world: World, hour: int, rows: int) -> Hour:
    """Draws one hour's impressions; the same arguments give the same impressions.

    Args:
        world: Whose log it is; its intercept and gain are not used.
        hour: Counted from the log's start.
        rows: How many.

    Returns:
        The hour, of about 400 bytes an impression.
    """
    rng = np.random.default_rng([world.hash.seed, 1, hour])
    visits = _visits(world, rng, hour, rows)
    model = pick(world.models.cumulative, world.hash.uniform(visits.user, "model"))
    publisher = _publisher(world, rng, hour, visits, model)
    creative = draw_creatives(world.creatives, world.hash, rng, hour, publisher)

    names = _page_names(world, rng, publisher) | _device_names(world, visits, publisher, model)
    device_type = world.models.device_type[model]
    codes = _place_codes(world, visits, publisher, device_type)
    codes |= {name: column[creative] for name, column in world.creatives.codes.items()}
    codes["C20"] = _c20(world, rng, publisher)

    log_odds = _context_effects(world, hour, publisher, creative, model) + _visit_effects(visits)
    log_odds += np.where(codes["device_conn_type"] == 3, -0.7, 0.0) + 0.12 * world.hash.bell(
        codes["C20"].astype(np.uint64), "c20 effect"
    )
    own = _own_effects(world, hour, visits, creative)
    own += 0.3 * world.hash.bell(names["device_ip"], "ip effect") * (codes["device_conn_type"] == 0)
    return Hour(names, codes, log_odds, own, rng.random(rows))


def earlier(keys: Keys) -> Ints:
    """How many times each key occurs before its place; shape as the keys."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    lengths = np.diff(starts, append=len(keys))
    counts = np.empty(len(keys), dtype=np.int64)
    counts[order] = np.arange(len(keys)) - np.repeat(starts, lengths)
    return counts


def _visits(world: World, rng: np.random.Generator, hour: int, rows: int) -> Visits:
    """Visits that began in this hour or up to a day before; a visit's impressions of an hour are near in time."""
    age = (VISIT_HOURS * rng.random(rows) ** 4).astype(np.int64)
    slots = max(1, round(SLOTS_AN_HOUR * world.audience))
    slot = (slots * rng.random(rows) ** 2.5).astype(np.int64)
    key = ((hour - age + VISIT_HOURS) * slots + slot).astype(np.uint64)
    minute = (world.hash.uniform(key, f"minute of hour {hour}") + 0.1 * rng.random(rows) ** 3) % 1
    order = np.argsort(minute, kind="stable")
    key, age, slot = key[order], age[order], slot[order]
    user = (USERS * world.audience * world.hash.uniform(key, "user") ** 2.3).astype(np.uint64)
    return Visits(key, user, age, slot / slots, earlier(user))


def _publisher(world: World, rng: np.random.Generator, hour: int, visits: Visits, model: Ints) -> Ints:
    """The publisher of each impression: in seven of ten the one that the visit is mostly about.

    Each platform has favourites of its own, so a device model says something of the publisher, as in the log.
    """
    own = world.hash.uniform(visits.key, "publisher")
    quantile = np.where(rng.random(len(own)) < 0.7, own, rng.random(len(own)))
    platform = (world.hash.bits(model.astype(np.uint64), "platform") % np.uint64(PLATFORMS)).astype(np.int64)
    chosen = np.empty(len(own), dtype=np.int64)
    for one in range(PLATFORMS):
        there = platform == one
        chosen[there] = pick(world.publishers.cumulative(hour, one), quantile[there])
    return chosen


def _c20(world: World, rng: np.random.Generator, publisher: Ints) -> Ints:
    """The C20 of each impression: absent on half of them, else one of four that its publisher has."""
    choice = (4 * rng.random(len(publisher))).astype(np.int64)
    code = 100_000 + pick(world.c20, world.hash.uniform(pair(publisher, choice), "c20"))
    return np.where(rng.random(len(publisher)) < NO_C20, -1, code)


def _page_names(world: World, rng: np.random.Generator, publisher: Ints) -> dict[str, Keys]:
    """The six site and app columns: one half is always the log's null site or null app."""
    publishers, on_app = world.publishers, publisher >= SITES
    page, category, domain = publishers.page[publisher], publishers.category[publisher], publishers.domain[publisher]
    offset = publishers.domains[publisher] * rng.random(len(publisher)) ** 2
    name = world.hash.name(domain + offset.astype(np.uint64), "domain")
    return {
        "site_id": np.where(on_app, NULL_SITE, page),
        "site_domain": np.where(on_app | (domain == 0), NULL_SITE_DOMAIN, name),
        "site_category": np.where(on_app, NULL_SITE_CATEGORY, category),
        "app_id": np.where(on_app, page, NULL_APP),
        "app_domain": np.where(on_app & (domain != 0), name, NULL_APP_DOMAIN),
        "app_category": np.where(on_app, category, NULL_APP_CATEGORY),
    }


def _device_names(world: World, visits: Visits, publisher: Ints, model: Ints) -> dict[str, Keys]:
    """The device columns: most ids are null, apps see more of them; some ips are gateways that many users share."""
    hash_ = world.hash
    seen = hash_.uniform(visits.user, "device seen") < np.where(
        publisher < SITES, REAL_DEVICE_ON_SITE, REAL_DEVICE_IN_APP
    )
    # One in a hundred devices sends an id that others send too.
    common = (20 * hash_.uniform(visits.user, "common device") ** 4).astype(np.uint64)
    device = np.where(hash_.uniform(visits.user, "has common device") < 0.01, common, visits.user + 20)

    holder = np.where(hash_.uniform(visits.key, "roams") < ROAMING_SHARE, ~visits.key, visits.user)
    ip = len(world.gateways) + (IPS * world.audience * hash_.uniform(holder, "ip") ** 2.5).astype(np.uint64)
    gateway = pick(world.gateways, hash_.uniform(visits.key, "gateway")).astype(np.uint64)
    through_gateway = hash_.uniform(visits.key, "through gateway") < GATEWAY_SHARE
    return {
        "device_id": np.where(seen, hash_.name(device, "device_id"), NULL_DEVICE),
        "device_ip": hash_.name(np.where(through_gateway, gateway, ip), "device_ip"),
        "device_model": hash_.name(model.astype(np.uint64), "device_model"),
    }


def _place_codes(world: World, visits: Visits, publisher: Ints, device_type: Ints) -> dict[str, Ints]:
    """C1, banner_pos, device_type, device_conn_type; unusual device types fix the first two, as in the log."""
    connection = CONNECTION_TYPES[
        np.searchsorted(CONNECTION_BOUNDS, world.hash.uniform(visits.key, "connection"), side="right")
    ]
    unusual, tablet = device_type == 0, device_type >= 4
    return {
        "C1": np.select([unusual, tablet], [1002, 1010], world.publishers.c1[publisher]),
        "banner_pos": np.select([unusual, tablet], [0, 1], world.publishers.banner_pos[publisher]),
        "device_type": device_type,
        "device_conn_type": np.where(unusual, 0, connection),
    }


def _context_effects(world: World, hour: int, publisher: Ints, creative: Ints, model: Ints) -> Floats:
    """What place, ad, device model and hour add to the log-odds, alone and in pairs."""
    hash_, group, campaign = world.hash, world.creatives.codes["C21"][creative], world.creatives.codes["C17"][creative]
    rhythm = 0.13 * np.cos(2 * np.pi * (hour % 24 - 14) / 24)
    alone = world.publishers.effect[publisher] + world.creatives.effect[creative] + world.models.effect[model]
    pairs = 0.1 * hash_.bell(pair(publisher, campaign), "publisher and campaign")
    pairs += 0.1 * hash_.bell(pair(model, group), "model and group")
    return np.asarray(alone + pairs + rhythm)


def _visit_effects(visits: Visits) -> Floats:
    """What the visit adds to the log-odds.

    Fatigue saturates with the impressions that the user saw in the hour; visits that go on for hours, and busy ones,
    click less. So the counts of an hour and of a day tell something, but are not the formula.
    """
    fatigue = FATIGUE * _seen(visits)
    staleness = -0.35 * (1 - np.exp(-visits.age / 5.0))
    return np.asarray(fatigue + staleness + 0.35 * visits.slot**0.3)


def _own_effects(world: World, hour: int, visits: Visits, creative: Ints) -> Floats:
    """What only a user's own history could tell (propensity, taste, how strongly he tires), and what a day has."""
    hash_, group = world.hash, world.creatives.codes["C21"][creative].astype(np.uint64)
    propensity = 0.3 * hash_.bell(visits.user, "propensity")
    segment = visits.user % np.uint64(16)
    taste = 0.2 * hash_.bell(segment << np.uint64(16) | group, "taste")
    strength = hash_.uniform(visits.user, "fatigue") - 0.5
    day = 0.05 * hash_.bell(np.array([hour // 24], dtype=np.uint64), "day effect")
    return np.asarray(day + propensity + taste + FATIGUE * strength * _seen(visits))


def _seen(visits: Visits) -> Floats:
    """How tired a user is after the impressions before this one, from 0 to 1."""
    return np.asarray(visits.before / (visits.before + 2.5))
