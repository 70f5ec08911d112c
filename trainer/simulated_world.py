"""The world behind a simulated click log: its publishers, creatives and device models, and their latent effects.

Small populations (thousands) are tables made once for a seed. Large ones (millions of users and visits) are never
stored: every property of a member is a hash of its number, so a world costs a few megabytes for a log of any size.
Sizes and shares follow the public Avazu log (40.4 million impressions in 240 hours from 2014-10-21); effects are ours,
at strengths that let fields tell of clicks about what they do in the real sample: docs/decisions/0011.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.simulated_ads import Creatives, make_creatives
from trainer.simulated_draws import Floats, Hash, Ints, Keys, assign, coded, falling, latent, pair

NULL_SITE, NULL_SITE_DOMAIN, NULL_SITE_CATEGORY = 0x85F751FD, 0xC4E18DD6, 0x50E219E0
NULL_APP, NULL_APP_DOMAIN, NULL_APP_CATEGORY = 0xECAD2386, 0x7801E8D9, 0x07D7DF22

# Slightly more than the log has distinct values, since some are never drawn or end before the log starts.
SITES, APPS, MODELS = 4_765, 8_740, 8_250
APP_DOMAINS, SITE_CATEGORIES, APP_CATEGORIES, C20_CODES = 562, 26, 36, 171
GATEWAYS = 8_000
PLATFORMS = 8  # of device models; each has its own favourites among the publishers
SITE_SHARE = 0.622
LOG_HOURS = 240  # births are spread over this many hours; in a longer log over all of it, and creatives last longer

BANNER_POSITIONS = {0: (0.7505, 0.0), 1: (0.2477, 0.15), 2: (4e-4, 0.3), 3: (1e-4, 0.1), 4: (2e-4, 0.1)} | {
    5: (5e-4, -0.2),
    7: (6e-4, 0.5),
}
C1_OF_PUBLISHER = {1005: 0.9956, 1012: 0.0029, 1007: 0.0008, 1008: 0.0005, 1001: 0.0002}
DEVICE_TYPES = {1: (0.9304, 0.0), 0: (0.0454, 0.25), 4: (0.0212, -0.35), 5: (0.0028, -0.2), 2: (2e-6, 0.0)}


@dataclass(frozen=True, slots=True)
class Publishers:
    """Where impressions are shown: the sites, then the apps. All arrays have one entry a publisher.

    Attributes:
        weight: Popularity; sites sum to SITE_SHARE, apps to the rest.
        liking: What popularity is multiplied by among the device models of a platform; shape (platforms, publishers).
        born: First hour of the publisher, counted from the log's start; 0 or less for those already there.
        page: site_id or app_id.
        category: site_category or app_category.
        domain: Key of its first domain; 0 for those without one.
        domains: How many domains, with consecutive keys, it serves.
        banner_pos: Where its banners are.
        c1: Its C1 on an ordinary device.
        effect: On the click's log-odds.
    """

    weight: Floats
    liking: Floats
    born: Ints
    page: Keys
    category: Keys
    domain: Keys
    domains: Ints
    banner_pos: Ints
    c1: Ints
    effect: Floats

    def cumulative(self, hour: int, platform: int) -> Floats:
        """The cumulative shares of a platform's impressions in an hour; shape (publishers,), last value 1."""
        alive = self.weight * self.liking[platform] * (self.born <= hour)
        sites, apps = np.cumsum(alive[:SITES]), np.cumsum(alive[SITES:])
        return np.concatenate([sites * (SITE_SHARE / sites[-1]), SITE_SHARE + apps * ((1 - SITE_SHARE) / apps[-1])])


@dataclass(frozen=True, slots=True)
class Models:
    """Device models. All arrays have one entry a model.

    Attributes:
        cumulative: Cumulative shares of users; last value 1.
        device_type: The log's device_type of the model.
        effect: On the click's log-odds.
    """

    cumulative: Floats
    device_type: Ints
    effect: Floats


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is fixed before the first impression is drawn.

    Attributes:
        hash: Properties of users, visits and pairs.
        publishers: Sites and apps.
        creatives: Ads.
        models: Device models.
        gateways: Cumulative shares of the ips that many users share.
        c20: Cumulative shares of the C20 codes that are not -1.
        audience: Users and visits, relative to the Avazu log's.
        individuality: What effects that no column tells are multiplied by.
        intercept: Log-odds of a click where all effects are nil.
        gain: What all other effects are multiplied by.
    """

    hash: Hash
    publishers: Publishers
    creatives: Creatives
    models: Models
    gateways: Floats
    c20: Floats
    audience: float
    individuality: float
    intercept: float
    gain: float


def make_world(seed: int, hours: int, audience: float, individuality: float = 0.0) -> World:
    """The world of a seed, not yet calibrated: its intercept is 0, its gain 1.

    Args:
        seed: Not negative.
        hours: Length of the log; births of creatives and publishers go on until its end.
        audience: Users and visits, relative to the Avazu log's.
        individuality: Strength of effects that no column tells.

    Returns:
        A world of a few megabytes.
    """
    hash_ = Hash(seed)
    horizon = max(hours, LOG_HOURS)
    rng = np.random.default_rng([seed, 0])
    return World(
        hash=hash_,
        publishers=_publishers(rng, hash_, horizon),
        creatives=make_creatives(rng, hash_, horizon),
        models=_models(rng),
        gateways=np.cumsum(falling(GATEWAYS, 0.55, 0.025)),
        c20=np.cumsum(falling(C20_CODES, 0.6, 0.1)),
        audience=audience,
        individuality=individuality,
        intercept=0.0,
        gain=1.0,
    )


def _publishers(rng: np.random.Generator, hash_: Hash, horizon: int) -> Publishers:
    """Sites and apps with their categories, domains and effects."""
    weight = np.concatenate([SITE_SHARE * falling(SITES, 1.0, 0.06), (1 - SITE_SHARE) * falling(APPS, 0.28, 0.12)])
    count, is_app = len(weight), np.arange(SITES + APPS) >= SITES
    rank = np.where(is_app, np.arange(count) - SITES, np.arange(count))
    # One in five of the unpopular publishers appears while the log runs.
    born = np.where((rank >= 30) & (rng.random(count) < 0.2), rng.integers(1, horizon, count), 0)

    site_category = assign(rng, weight[:SITES], falling(SITE_CATEGORIES, 0.3, 0.5))
    app_category = assign(rng, weight[SITES:], falling(APP_CATEGORIES, 0.5, 0.6))
    category = hash_.name(np.concatenate([site_category, 100 + app_category]).astype(np.uint64), "category")
    # Some sites and apps have no category or no domain of their own, and share the null one.
    category[:SITES][site_category == 4] = NULL_SITE_CATEGORY
    category[SITES:][app_category == 4] = NULL_APP_CATEGORY

    domains = np.where(~is_app & (rank >= 5) & (rng.random(count) < 0.06), rng.integers(2, 40, count), 1)
    domain = np.cumsum(domains) - domains + 1_000
    domain[is_app] = assign(rng, weight[SITES:], falling(APP_DOMAINS, 0.6, 0.25)) + 1
    domain[~is_app & (rank >= 5) & (rng.random(count) < 0.14)] = 0
    domain[is_app & (domain == 3)] = 0

    of_platform = pair(np.arange(PLATFORMS)[:, None], np.arange(count)[None, :])
    banner_pos, position_effect = coded(rng, weight, BANNER_POSITIONS)
    c1 = np.array(list(C1_OF_PUBLISHER))[assign(rng, weight, np.array(list(C1_OF_PUBLISHER.values())))]
    return Publishers(
        weight=weight,
        liking=np.exp(1.1 * hash_.bell(of_platform.ravel(), "liking")).reshape(PLATFORMS, count),
        born=born,
        page=hash_.name(np.arange(count, dtype=np.uint64), "page"),
        category=category,
        domain=domain.astype(np.uint64),
        domains=np.where(domain == 0, 1, domains),
        banner_pos=banner_pos,
        c1=c1,
        effect=0.8 * latent(rng, weight)
        + 0.2 * hash_.bell(category, "category effect")
        + position_effect
        - 0.4 * is_app,
    )


def _models(rng: np.random.Generator) -> Models:
    """Device models, the most popular first."""
    weight = falling(MODELS, 0.41, 0.0775)
    device_type, type_effect = coded(rng, weight, DEVICE_TYPES)
    return Models(np.cumsum(weight), device_type, 0.2 * rng.standard_normal(MODELS) + type_effect)
