"""The ads of a simulated click log, and which of them a publisher shows.

In the log an ad says much of its place, and a place of its ad: of two impressions of a publisher, 43 % share the
campaign, where 4 % of any two do. Here too: a publisher shows one campaign far more than the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.simulated_draws import Floats, Hash, Ints, assign, coded, falling, latent, pair, pick

# Slightly more than the log has distinct values, since some are never drawn or end before the log starts.
CREATIVES, CAMPAIGNS, CAMPAIGN_GROUPS, C19_CODES = 2_890, 446, 60, 68

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
C18_SHARES = {0: (0.4257, 0.0), 3: (0.4048, -0.15), 2: (0.1447, 0.45), 1: (0.0248, -0.3)}

# A publisher's campaigns: the first has 1 - FALL of its impressions, each further one FALL times those of the last.
SHOWN, FALL = 8, 0.3


@dataclass(frozen=True, slots=True)
class Creatives:
    """What is shown, by campaign: creative C14 belongs to campaign C17, which belongs to group C21.

    Attributes:
        weight: Popularity while it runs.
        born: First hour, counted from the log's start.
        dead: First hour without it.
        campaign: The number of its campaign; ascending, none is left out.
        codes: The columns C14 to C19 and C21 of each creative.
        effect: On the click's log-odds.
    """

    weight: Floats
    born: Ints
    dead: Ints
    campaign: Ints
    codes: dict[str, Ints]
    effect: Floats


def draw_creatives(creatives: Creatives, hash_: Hash, rng: np.random.Generator, hour: int, publisher: Ints) -> Ints:
    """The creative of each impression of an hour: any running one of a campaign that the publisher shows.

    Which campaigns those are is weighted rendezvous hashing: publisher and campaign together give an exponential
    number with the campaign's popularity as its rate, and the least ones are chosen. So the first choice of
    publishers falls on a campaign in proportion to its popularity, and changes only as popularities do.
    """
    alive = ((creatives.born <= hour) & (hour < creatives.dead)).astype(np.float64)
    popularity = np.bincount(creatives.campaign, creatives.weight * alive)
    many, ends = np.bincount(creatives.campaign, alive), np.cumsum(alive)
    running = np.flatnonzero(popularity)

    publishers, place = np.unique(publisher, return_inverse=True)
    number = -np.log1p(-hash_.uniform(pair(publishers[:, None], running[None, :]), "campaign")) / popularity[running]
    ranked = running[np.argsort(number, axis=1)[:, :SHOWN]]
    rank = np.log1p(-rng.random(len(publisher))) / np.log(FALL)
    campaign = ranked[place, np.minimum(rank.astype(np.int64), ranked.shape[1] - 1)]

    last = np.cumsum(np.bincount(creatives.campaign))[campaign] - 1
    return pick(ends, ends[last] - many[campaign] * (1 - rng.random(len(publisher))))


def make_creatives(rng: np.random.Generator, hash_: Hash, horizon: int) -> Creatives:
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
    campaign_effect = 0.3 * latent(rng, campaign_weight) + 0.25 * latent(rng, group_weight)[group] + c18_effect
    effect = 0.05 * latent(rng, weight) + campaign_effect[campaign] + size_effects[size]
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
    order = np.argsort(campaign, kind="stable")
    codes = {name: code[order] for name, code in codes.items()}
    return Creatives(weight[order], born[order], dead[order], campaign[order], codes, effect[order])
