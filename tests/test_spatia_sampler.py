import numpy as np
import pytest
import torch

from spatia_core.backends.spatia.sampler import Start, draw_noise, guided, make_scheduler, round_seed, sample
from spatia_core.errors import Cancelled, InvalidInput

PUBLISHED = (
    *(999, 994, 989, 983, 978, 972, 965, 959, 952, 944, 937, 929, 920, 911, 902, 892, 882, 870, 859, 846),
    *(833, 818, 803, 786, 768, 749, 728, 706, 681, 654, 624, 591, 555, 514, 468, 416, 356, 288, 208, 113),
)


def quiet(done: int, steps: int) -> None:
    pass


def test_forty_steps_stand_where_the_published_code_puts_them():
    scheduler = make_scheduler("unipc", 40)
    assert tuple(scheduler.timesteps.tolist()) == PUBLISHED
    np.testing.assert_allclose(scheduler.sigmas[-4:], [0.28824, 0.20816, 0.11353, 0], atol=5e-6)


@pytest.mark.parametrize("solver", ["unipc", "euler"])
@pytest.mark.parametrize("steps", [1, 2, 7, 300])
def test_the_true_velocity_of_one_picture_leads_to_it(solver, steps):
    noise, data = draw_noise((1, 2, 3, 2, 2), 0), draw_noise((1, 2, 3, 2, 2), 1)
    scheduler = make_scheduler(solver, steps)
    assert len(scheduler.timesteps) == steps
    start = scheduler.sigmas[0] * noise + (1 - scheduler.sigmas[0]) * data
    made = sample(lambda x, t: noise - data, Start(start), scheduler, quiet)
    torch.testing.assert_close(made, data, rtol=0, atol=2e-5)


def test_known_latents_stay_as_they_are_and_are_called_clean_in_every_step():
    refs, known = draw_noise((1, 2, 2, 2, 2), 1), draw_noise((1, 2, 1, 2, 2), 2)
    seen = []

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append((x.clone(), t.clone()))
        return x.flip(2)

    made = sample(velocity, Start(draw_noise((1, 2, 4, 2, 2), 0), known, refs), make_scheduler("unipc", 5), quiet)
    assert made.shape == (1, 2, 4, 2, 2)
    assert torch.equal(made[:, :, :1], known)
    for x, t in seen:
        assert torch.equal(x[:, :, :3], torch.cat([refs, known], 2))
        assert t[0, :3].tolist() == [0, 0, 0]
        assert (t[0, 3:] > 0).all()
        assert len(set(t[0, 3:].tolist())) == 1


def test_the_steps_are_told_and_cancelling_gets_through():
    told = []

    def on_step(done: int, steps: int) -> None:
        told.append((done, steps))
        if done == 2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        sample(lambda x, t: x, Start(draw_noise((1, 1, 1, 2, 2), 0)), make_scheduler("unipc", 5), on_step)
    assert told == [(1, 5), (2, 5)]


def test_guidance_goes_past_the_wanted_and_one_needs_a_single_pass():
    positive, negative = (lambda x, t: x + 1), (lambda x, t: x - 1)
    x = torch.zeros(1)
    assert guided(positive, negative, 3.5)(x, x).item() == -1 + 3.5 * 2
    assert guided(positive, negative, 1) is positive


def test_rounds_have_noise_of_their_own_unless_it_is_reused():
    seeds = [round_seed(20917, r) for r in range(50)]
    assert len(set(seeds)) == 50
    assert seeds[0] == 20917
    assert round_seed(20917, 3) == seeds[3]
    assert round_seed(20918, 3) != seeds[3]
    assert {round_seed(20917, r, reuse=True) for r in range(5)} == {20917}
    assert all(0 <= round_seed(s, r) < 2**63 for s in (0, 1, 2**63 - 1) for r in (0, 1, 2))
    assert torch.equal(draw_noise((2, 3), seeds[3]), draw_noise((2, 3), seeds[3]))


def test_latents_may_be_kept_in_bfloat16():
    start = Start(draw_noise((1, 2, 3, 2, 2), 0).bfloat16(), draw_noise((1, 2, 1, 2, 2), 1))
    made = sample(lambda x, t: 0.5 * x, start, make_scheduler("unipc", 4), quiet)
    assert made.dtype == torch.bfloat16
    assert torch.isfinite(made).all()


def test_impossible_schedules_are_refused():
    with pytest.raises(InvalidInput, match="step"):
        make_scheduler("unipc", 0)
