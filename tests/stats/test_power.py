import numpy as np
import pytest
from scipy.stats import multinomial
from statsmodels.stats.power import TTestPower

from holdfast import rng
from holdfast.stats.effects import ATTACKS, Effects, intercept
from holdfast.stats.methods import Design, estimated
from holdfast.stats.paired import sign_flip
from holdfast.stats.power import Level, detectable, means, pilot, power, prompts_for, seeds_for, shares
from tools.calibration.answers import answers, balanced
from tools.calibration.rivals import mcnemar


def simulated(base, difference, seeds, prompts, sets, *, alpha=0.05, seed_sd=0.3, effect_sd=0.0, attacks=ATTACKS):
    """How often the default test finds the difference in data sets with that truth."""
    effects = Effects(seed_sd=seed_sd, effect_sd=effect_sd, attacks=attacks)
    starts = [intercept(r, effects) for r in (base, base + difference)]
    y = answers(starts, effects, sets, seeds, prompts, rng.generator("power test", seeds, prompts)).hits / len(attacks)
    d = y[1] - y[0]
    if seeds == 1:
        return float(np.mean(sign_flip(d[:, 0]) < alpha))
    found = estimated(balanced(d, len(attacks)), Design("difference", True, seeds, prompts), alpha=alpha)
    return float(np.mean(found.p < alpha))


@pytest.mark.parametrize("n", [10, 40])
def test_with_one_seed_power_is_that_of_the_paired_t_test(n):
    theirs = TTestPower().power(0.5, n, 0.05, alternative="two-sided")
    assert power(means(1.0, 0.0, 0.0), 0.5, 1, n) == pytest.approx(theirs, abs=0.01)


def test_where_only_seeds_vary_power_is_that_of_the_t_test_on_their_means():
    for seeds in (3, 6):
        theirs = TTestPower().power(1.5, seeds, 0.05, alternative="two-sided")
        assert power(means(0.0, 1.0, 0.01), 1.5, seeds, 50) == pytest.approx(theirs, abs=0.015)


def test_without_a_difference_power_is_the_level_of_the_test():
    assert power(means(1.0, 0.0, 0.0), 1e-9, 1, 50) == pytest.approx(0.05, abs=0.005)
    assert 0.03 < power(shares(0.25), 1e-9, 5, 60) < 0.07


@pytest.mark.parametrize(
    ("base", "seeds", "prompts", "effects"),
    [
        (0.1, 3, 60, {"seed_sd": 0.3}),
        (0.03, 5, 60, {"seed_sd": 0.0}),
        (0.4, 5, 24, {"seed_sd": 0.3, "effect_sd": 0.6}),
        (0.1, 1, 60, {"seed_sd": 0.0, "effect_sd": 0.6}),
        (0.5, 1, 60, {"seed_sd": 0.0, "effect_sd": 0.6, "attacks": (0.0,)}),
    ],
)
def test_power_agrees_with_simulation(base, seeds, prompts, effects):
    model = shares(base, **effects)
    least = detectable(model, seeds, prompts)
    assert power(model, least, seeds, prompts) == pytest.approx(0.8, abs=0.002)
    assert simulated(base, least, seeds, prompts, 3000, **effects) == pytest.approx(0.8, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3, 5, 10])
@pytest.mark.parametrize("prompts", [60, 313])
@pytest.mark.parametrize("attacks", [ATTACKS, (0.0,)])
def test_power_agrees_with_simulation_over_the_whole_grid(seeds, prompts, attacks):
    for base in (0.05, 0.1, 0.25, 0.5):
        for seed_sd in (0.0,) if seeds == 1 else (0.0, 0.3):
            for target, alpha in ((0.5, 0.05), (0.8, 0.05), (0.8, 0.01)):
                effects = {"seed_sd": seed_sd, "attacks": attacks}
                least = detectable(shares(base, **effects), seeds, prompts, target, Level(alpha))
                if not np.isnan(least):
                    found = simulated(base, least, seeds, prompts, 6000, alpha=alpha, **effects)
                    assert found == pytest.approx(target, abs=0.03), (base, seed_sd, target, alpha)


@pytest.mark.parametrize(("prompts", "differ", "difference", "alpha"), [(12, 0.5, 0.3, 0.05), (30, 0.9, 0.4, 0.01)])
def test_one_seed_with_one_answer_a_prompt_has_the_power_of_mcnemars_exact_test(prompts, differ, difference, alpha):
    up, down = np.meshgrid(np.arange(prompts + 1), np.arange(prompts + 1))
    chances = np.array([1 - differ, (differ + difference) / 2, (differ - difference) / 2])
    drawn = multinomial(prompts, chances).pmf(np.stack([prompts - up - down, up, down], axis=-1))
    sd = float(np.sqrt(differ - difference**2))
    model = means(sd, 0.0, 0.0)(difference, 1)._replace(step=1.0)
    found = power(lambda difference, seeds: model, difference, 1, prompts, Level(alpha))
    assert found == pytest.approx(drawn[mcnemar(up, down) < alpha].sum())


def test_a_pilots_variances_give_the_power_of_its_design():
    r = np.random.default_rng(0)
    d = r.normal(size=(40, 1)) * 0.05 + r.normal(size=(1, 400)) * 0.3 + r.normal(size=(40, 400)) * 0.2
    planned = means(0.3, 0.05, 0.2)
    for seeds, prompts in ((3, 60), (8, 100)):
        assert power(pilot(d), 0.1, seeds, prompts) == pytest.approx(power(planned, 0.1, seeds, prompts), abs=0.06)
    one = pilot(d[:1])
    assert power(one, 0.1, 1, 100) == pytest.approx(power(means(np.hypot(0.3, 0.2), 0, 0), 0.1, 1, 100), abs=0.05)


def test_a_pilot_of_a_share_gives_about_the_power_of_its_world():
    effects = Effects(seed_sd=0.3)
    starts = [intercept(r, effects) for r in (0.2, 0.32)]
    y = answers(starts, effects, 1, 40, 500, rng.generator("pilot")).hits[:, 0] / 5
    found, stated = pilot(y[1] - y[0], 5), shares(0.2, seed_sd=0.3)
    for seeds, prompts in ((5, 60), (1, 24)):
        assert power(found, 0.12, seeds, prompts) == pytest.approx(power(stated, 0.12, seeds, prompts), abs=0.08)
    unbounded = found(0.12, 1)._replace(step=0.0)  # without the two imagined prompts
    assert power(found, 0.12, 1, 24) < power(lambda difference, seeds: unbounded, 0.12, 1, 24)


def test_power_grows_with_the_difference_seeds_and_prompts():
    model = shares(0.1)
    by_size = [power(model, d, 5, 60) for d in (0.02, 0.05, 0.1, 0.2)]
    assert by_size == sorted(by_size)
    assert power(model, 0.05, 5, 60) < power(model, 0.05, 8, 60) < power(model, 0.05, 20, 60)
    assert power(model, 0.05, 5, 30) < power(model, 0.05, 5, 200)


def test_needed_seeds_and_prompts_are_the_fewest_with_the_wanted_power():
    model = shares(0.1, seed_sd=0.15)
    seeds = seeds_for(model, 0.05, 60)
    assert seeds is not None
    assert power(model, 0.05, seeds, 60) >= 0.8 > power(model, 0.05, seeds - 1, 60)
    prompts = prompts_for(model, 0.05, 10)
    assert prompts is not None
    assert power(model, 0.05, 10, prompts) >= 0.8 > power(model, 0.05, 10, prompts - 1)
    assert prompts_for(shares(0.1, seed_sd=0.6), 0.03, 3) is None  # three seeds leave too much open
    assert seeds_for(shares(0.4, effect_sd=1.5), 0.05, 24) is None  # so do 24 prompts


def test_a_difference_that_cannot_be_has_no_power():
    assert np.isnan(power(shares(0.1), -0.2, 3, 60))
    assert np.isnan(detectable(shares(0.98, seed_sd=0.6), 3, 24))
    assert power(shares(0.5), 0.1, 5, 60) == pytest.approx(power(shares(0.5), -0.1, 5, 60), rel=0.01)


@pytest.mark.parametrize("answers", [0, 1, 6])
def test_a_pilot_in_which_nothing_differs_promises_no_power(answers):
    """Two imagined prompts stand against a spread of zero in the plan as they do in the analysis."""
    nothing = pilot(np.zeros((2, 12)), answers)
    assert power(nothing, 0.03, 2, 12) < 0.05
    assert not detectable(nothing, 2, 12) < 0.2
