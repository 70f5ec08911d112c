"""The world behind a simulated click log: its publishers, creatives and device models, and their latent effects.

Small populations (thousands) are tables made once for a seed. Large ones (millions of users and visits) are never
stored: every property of a member is a hash of its number, so a world costs a few megabytes for a log of any size.
Sizes and shares follow the public Avazu log (40.4 million impressions in 240 hours from 2014-10-21); effects are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.simulated_draws import Floats, Hash, Ints, Keys, assign, coded, falling, latent

NULL_SITE, NULL_SITE_DOMAIN, NULL_SITE_CATEGORY = 0x85F751FD, 0xC4E18DD6, 0x50E219E0
NULL_APP, NULL_APP_DOMAIN, NULL_APP_CATEGORY = 0xECAD2386, 0x7801E8D9, 0x07D7DF22

# Slightly more than the log has distinct values, since some are never drawn or end before the log starts.
SITES, APPS, CREATIVES, CAMPAIGNS, CAMPAIGN_GROUPS, MODELS = 4_765, 8_740, 2_890, 446, 60, 8_250
APP_DOMAINS, SITE_CATEGORIES, APP_CATEGORIES, C19_CODES, C20_CODES = 562, 26, 36, 68, 171
GATEWAYS = 8_000
SITE_SHARE = 0.622
LOG_HOURS = 240  # births are spread over this many hours; in a longer log over all of it, and creatives last longer

# (C15, C16): share of impressions, effect on the click's log-odds
SIZES = {
    (320, 50): (0.9375, 0.0),
    (300, 250): (0.0340, 1.1),
    (216, 36): (0.0144, 0.2),
    (300, 50): (0.0065, 0.1),
    (320, 480): (0.0036, 0.5),
    (728, 90): (0.0034, -0.6),
    (120, 20): (0.0002, 0.0),
    (1024, 768): (0.0001, 0.3),
    (768, 1024): (0.0001, 0.3),
    (480, 320): (0.0001, 0.4),
}
BANNER_POSITIONS = {0: (0.7505, 0.0), 1: (0.2477, 0.15), 2: (4e-4, 0.3), 3: (1e-4, 0.1), 4: (2e-4, 0.1)} | {
    5: (5e-4, -0.2),
    7: (6e-4, 0.5),
}
C1_OF_PUBLISHER = {1005: 0.9956, 1012: 0.0029, 1007: 0.0008, 1008: 0.0005, 1001: 0.0002}
DEVICE_TYPES = {1: (0.9304, 0.0), 0: (0.0454, 0.25), 4: (0.0212, -0.35), 5: (0.0028, -0.2), 2: (2e-6, 0.0)}
C18_SHARES = {0: (0.4257, 0.0), 3: (0.4048, -0.15), 2: (0.1447, 0.45), 1: (0.0248, -0.3)}


@dataclass(frozen=True, slots=True)
class Publishers:
    """Where impressions are shown: the sites, then the apps. All arrays have one entry a publisher.

    Attributes:
        weight: Popularity; sites sum to SITE_SHARE, apps to the rest.
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
    born: Ints
    page: Keys
    category: Keys
    domain: Keys
    domains: Ints
    banner_pos: Ints
    c1: Ints
    effect: Floats

    def cumulative(self, hour: int) -> Floats:
        """The cumulative shares of impressions in an hour; shape (publishers,), last value 1."""
        alive = self.weight * (self.born <= hour)
        sites, apps = np.cumsum(alive[:SITES]), np.cumsum(alive[SITES:])
        return np.concatenate([sites * (SITE_SHARE / sites[-1]), SITE_SHARE + apps * ((1 - SITE_SHARE) / apps[-1])])


@dataclass(frozen=True, slots=True)
class Creatives:
    """What is shown, oldest first: creative C14 belongs to campaign C17, which belongs to group C21.

    Attributes:
        weight: Popularity while it runs.
        born: First hour, counted from the log's start.
        dead: First hour without it.
        codes: The columns C14 to C19 and C21 of each creative.
        effect: On the click's log-odds.
    """

    weight: Floats
    born: Ints
    dead: Ints
    codes: dict[str, Ints]
    effect: Floats

    def cumulative(self, hour: int) -> Floats:
        """The cumulative shares of impressions in an hour; shape (creatives,), last value 1."""
        total = np.cumsum(self.weight * ((self.born <= hour) & (hour < self.dead)))
        return np.asarray(total / total[-1])


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
        intercept: Log-odds of a click where all effects are nil.
        gain: What all effects are multiplied by.
    """

    hash: Hash
    publishers: Publishers
    creatives: Creatives
    models: Models
    gateways: Floats
    c20: Floats
    audience: float
    intercept: float
    gain: float


def make_world(seed: int, hours: int, audience: float) -> World:
    """The world of a seed, not yet calibrated: its intercept is 0, its gain 1.

    Args:
        seed: Not negative.
        hours: Length of the log; births of creatives and publishers go on until its end.
        audience: Users and visits, relative to the Avazu log's.

    Returns:
        A world of a few megabytes.
    """
    hash_ = Hash(seed)
    horizon = max(hours, LOG_HOURS)
    rng = np.random.default_rng([seed, 0])
    return World(
        hash=hash_,
        publishers=_publishers(rng, hash_, horizon),
        creatives=_creatives(rng, hash_, horizon),
        models=_models(rng),
        gateways=np.cumsum(falling(GATEWAYS, 0.55, 0.025)),
        c20=np.cumsum(falling(C20_CODES, 0.6, 0.1)),
        audience=audience,
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

    banner_pos, position_effect = coded(rng, weight, BANNER_POSITIONS)
    c1 = np.array(list(C1_OF_PUBLISHER))[assign(rng, weight, np.array(list(C1_OF_PUBLISHER.values())))]
    return Publishers(
        weight=weight,
        born=born,
        page=hash_.name(np.arange(count, dtype=np.uint64), "page"),
        category=category,
        domain=domain.astype(np.uint64),
        domains=np.where(domain == 0, 1, domains),
        banner_pos=banner_pos,
        c1=c1,
        effect=0.55 * latent(rng, weight)
        + 0.2 * hash_.bell(category, "category effect")
        + position_effect
        - 0.4 * is_app,
    )


def _creatives(rng: np.random.Generator, hash_: Hash, horizon: int) -> Creatives:
    """Creatives by birth, cut into campaigns in about that order: later ones have higher codes, as in the log."""
    weight = rng.permutation(falling(CREATIVES, 0.0, 0.09))
    born = np.sort(rng.integers(-horizon // 4, horizon, CREATIVES))
    dead = born + 6 + rng.exponential(horizon / 6, CREATIVES).astype(np.int64)
    weight[dead <= 0] = 0
    cuts = np.sort(rng.choice(np.arange(1, CREATIVES), CAMPAIGNS - 1, replace=False))
    campaign = np.empty(CREATIVES, dtype=np.int64)
    campaign[np.argsort(born + 10 * rng.standard_normal(CREATIVES))] = np.searchsorted(
        cuts, np.arange(CREATIVES), side="right"
    )
    campaign_weight = np.bincount(campaign, weight, CAMPAIGNS).astype(np.float64)

    group = assign(rng, campaign_weight, falling(CAMPAIGN_GROUPS, 0.2, 0.25))
    c18, c18_effect = coded(rng, campaign_weight, C18_SHARES)
    c19 = assign(rng, campaign_weight, falling(C19_CODES, 1.2, 0.1))
    size_shares, size_effects = np.array(list(SIZES.values())).T
    size = assign(rng, weight, size_shares)
    group_weight = np.bincount(group, campaign_weight, CAMPAIGN_GROUPS).astype(np.float64)
    campaign_effect = 0.35 * latent(rng, campaign_weight) + 0.3 * latent(rng, group_weight)[group] + c18_effect
    effect = 0.3 * latent(rng, weight) + campaign_effect[campaign] + size_effects[size]
    c14 = np.arange(375, 24_050)
    codes = {
        "C14": np.sort(rng.choice(c14, CREATIVES, replace=False, p=c14**3 / (c14**3).sum())),  # most codes are recent
        "C15": np.array([width for width, _ in SIZES])[size],
        "C16": np.array([height for _, height in SIZES])[size],
        "C17": np.sort(rng.choice(np.arange(112, 2_760), CAMPAIGNS, replace=False))[campaign],
        "C18": c18[campaign],
        "C19": np.array([33 + 2 * n for n in rng.permutation(1_000)[:C19_CODES]])[c19][campaign],
        "C21": rng.choice(np.arange(1, 256), CAMPAIGN_GROUPS, replace=False)[group][campaign],
    }
    return Creatives(weight=weight, born=born, dead=dead, codes=codes, effect=effect)


def _models(rng: np.random.Generator) -> Models:
    """Device models, the most popular first."""
    weight = falling(MODELS, 0.41, 0.0775)
    device_type, type_effect = coded(rng, weight, DEVICE_TYPES)
    return Models(np.cumsum(weight), device_type, 0.2 * rng.standard_normal(MODELS) + type_effect)
