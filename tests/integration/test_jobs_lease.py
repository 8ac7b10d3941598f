from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from reco_plugin.exceptions import AlreadyRunning, JobTimedOut, LeaseLost
from reco_plugin.jobs.running import lease as leases
from reco_plugin.jobs.running.lease import Held, lease, take
from reco_plugin.jobs.running.schedule import standing
from reco_plugin.models import Job, JobLog, Outcome

postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="several connections at once"
)
committed = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _short(settings) -> None:
    settings.RECO_HEARTBEAT_SECONDS = 10.0


def held(name: str = "train", **more: float) -> Held:
    found = take(1, name, **more)
    assert found is not None
    return found


def heard(seconds: float) -> None:
    """As if every holder had been heard of that long ago (in the future, when negative)."""
    Job.objects.update(beat_at=Now() - dt.timedelta(seconds=seconds))


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def beating() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reco-heartbeat"]


# --- one holder ----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_second_one_is_told_that_it_is_taken():
    with (
        lease(1, "train"),
        pytest.raises(AlreadyRunning, match="Another process runs the job 'train'"),
        lease(1, "train"),
    ):
        pass
    with lease(1, "train"):
        pass


@pytest.mark.django_db
def test_other_jobs_and_sites_are_held_side_by_side():
    with lease(1, "train"), lease(1, "popular"), lease(2, "train"):
        assert Job.objects.exclude(token=None).count() == 3


@pytest.mark.django_db
def test_the_row_says_who_holds_it_since_when():
    with lease(1, "train"):
        row = Job.objects.get()
        assert row.holder == leases.holder()
        assert row.started_at is not None
        assert row.attempt == 1
    row.refresh_from_db()
    assert (row.token, row.holder, row.beat_at) == (None, "", None)
    assert row.finished_at is not None


@postgres
@committed
def test_r09_of_ten_at_once_one_holds():
    inside, refused, gate = [], [], threading.Barrier(10)
    done = threading.Event()

    def attempt() -> None:
        try:
            gate.wait()
            with lease(1, "crowd"):
                inside.append(1)
                done.wait(5)
        except AlreadyRunning:
            refused.append(1)
            if len(refused) == 9:
                done.set()
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 9)


@postgres
@committed
def test_r09_of_ten_that_take_over_at_once_one_does():
    silent = held()
    silent.still()
    heard(16)
    taken, refused, gate = [], [], threading.Barrier(10)

    def attempt() -> None:
        try:
            gate.wait()
            taken.append(held())
        except AlreadyRunning:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (1, 9)
    assert JobLog.objects.filter(outcome=Outcome.TAKEN_OVER).count() == 1
    taken[0].let_go()


# --- taking over ---------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "is_dead"), [(0, False), (14, False), (16, True)])
def test_r07_a_holder_silent_for_one_and_a_half_heartbeats_is_dead(seconds, is_dead):
    old = held()
    heard(seconds)
    if not is_dead:
        with pytest.raises(AlreadyRunning):
            take(1, "train")
        old.write(stage="fit")
        return
    new = held()
    assert (new.attempt, new.failures) == (2, 1)
    with pytest.raises(LeaseLost, match="taken over"):
        old.write(stage="fit")
    new.write(stage="fit")


@pytest.mark.django_db
def test_what_the_dead_one_kept_is_there_and_its_end_is_logged():
    old = held()
    old.write(checkpoint={"run": 7}, stage="publish")
    heard(20)
    assert held().checkpoint == {"run": 7}
    log = JobLog.objects.get()
    assert (log.outcome, log.attempt, log.holder) == (Outcome.TAKEN_OVER, 1, leases.holder())
    assert "fell silent at 'publish'" in log.error


@pytest.mark.django_db
@pytest.mark.parametrize(("ahead", "is_dead"), [(5, False), (3_600, True)])
def test_r16_a_clock_set_back_does_not_keep_a_dead_holder_alive(ahead, is_dead):
    old = held()
    heard(-ahead)
    if is_dead:
        held()
        with pytest.raises(LeaseLost):
            old.write()
    else:
        with pytest.raises(AlreadyRunning):
            take(1, "train")


@pytest.mark.django_db
def test_r16_a_clock_set_back_does_no_harm_to_a_holder_that_lives():
    old = held()
    heard(-3_600)
    old.beat()
    with pytest.raises(AlreadyRunning):
        take(1, "train")
    old.check()


@pytest.mark.django_db
def test_whoever_was_taken_over_cannot_let_go_of_what_is_anothers():
    old = held()
    heard(20)
    new = held()
    assert not old.let_go(succeeded_at=Now())
    assert Job.objects.get().token == new.token
    assert Job.objects.get().succeeded_at is None


# --- the fence -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_fence_stands_in_a_transaction(db):
    with lease(1, "train") as mine, transaction.atomic():
        mine.fence()


@committed
def test_a_fence_without_a_transaction_is_a_mistake():
    with lease(1, "train") as mine, pytest.raises(RuntimeError, match="atomic"):
        mine.fence()


@postgres
@committed
def test_r11_nobody_takes_over_while_a_fenced_transaction_is_open():
    """And whoever comes later sees what it wrote."""
    with lease(1, "train") as mine:
        with transaction.atomic():
            mine.fence()
            heard(20)
            told = in_another_thread(lambda: take(1, "train"))
            assert isinstance(told, AlreadyRunning)
        mine.write()
        told = in_another_thread(lambda: take(1, "train"))
        assert isinstance(told, AlreadyRunning)


@postgres
@committed
def test_r11_a_long_fenced_transaction_is_not_taken_for_silence():
    """Beats wait for it; once it is over they count as of then, not as of when they were sent."""
    with lease(1, "train") as mine:
        waiting = threading.Thread(target=in_another_thread, args=(mine.beat,))
        with transaction.atomic():
            mine.fence()
            waiting.start()
            time.sleep(1.5)
        waiting.join()
        assert age() < 1
        mine.check()


def age() -> float:
    """Seconds since the last beat."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp() - beat_at) FROM reco_job")
        return float(cursor.fetchone()[0])


def in_another_thread(work: Callable[[], object]) -> object:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except AlreadyRunning as error:
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return found[0]


OPERATIONS = st.lists(
    st.one_of(
        st.just(("take",)),
        st.tuples(st.just("beat"), st.integers(0, 5)),
        st.tuples(st.just("end"), st.integers(0, 5)),
        st.tuples(st.just("pass"), st.integers(1, 20)),
        st.tuples(st.just("set back"), st.integers(1, 60)),
    ),
    max_size=25,
)


@pytest.mark.django_db
@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=OPERATIONS)
def test_however_they_take_beat_and_die_no_two_pass_the_fence(operations):
    Job.objects.all().delete()
    holders: list[Held] = []
    for name, *arguments in operations:
        _apply(name, arguments, holders)
        assert sum(passes(one) for one in holders) <= 1
    assert [one.attempt for one in holders] == list(range(1, len(holders) + 1))


def _apply(name: str, arguments: list[int], holders: list[Held]) -> None:
    if name == "take":
        with contextlib.suppress(AlreadyRunning):
            holders.append(held())
    elif name in {"pass", "set back"}:
        step = dt.timedelta(seconds=arguments[0])
        for row in Job.objects.exclude(beat_at=None):
            moved = row.beat_at - step if name == "pass" else row.beat_at + step
            Job.objects.filter(pk=row.pk).update(beat_at=moved)
    elif holders:
        one = holders[arguments[0] % len(holders)]
        one.beat() if name == "beat" else one.let_go()


def passes(one: Held) -> bool:
    """Does it hold, without the beat that passing a fence is?"""
    before = Job.objects.values_list("beat_at", flat=True).get()
    try:
        with transaction.atomic():
            one.fence()
    except LeaseLost:
        return False
    Job.objects.update(beat_at=before)
    return True


# --- the heartbeat -------------------------------------------------------------------------------


@postgres
@committed
def test_it_beats_while_the_job_is_busy_and_ends_with_it(settings):
    settings.RECO_HEARTBEAT_SECONDS = 0.3
    with lease(1, "train") as mine:
        first = Job.objects.get().beat_at
        mine.tell(done=3, total=9)
        assert wait_for(lambda: Job.objects.get().beat_at > first)
        assert wait_for(lambda: Job.objects.get().done == 3)
        assert len(beating()) == 1
    assert beating() == []


@postgres
@committed
def test_a_heartbeat_survives_the_loss_of_its_connection(settings):
    settings.RECO_HEARTBEAT_SECONDS = 0.6
    with lease(1, "train") as mine:
        assert wait_for(lambda: len(backends_of_others()) == 1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", backends_of_others())
        lost = Job.objects.get().beat_at
        assert wait_for(lambda: Job.objects.get().beat_at > lost)
        mine.check()


def backends_of_others() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [row[0] for row in cursor.fetchall()]


@postgres
@committed
def test_a_heartbeat_finds_out_that_the_lease_is_lost(settings):
    settings.RECO_HEARTBEAT_SECONDS = 0.3
    with lease(1, "train") as mine:
        Job.objects.update(token=uuid.uuid4())
        assert wait_for(lambda: mine.is_lost)
        with pytest.raises(LeaseLost):
            mine.check()
        assert wait_for(lambda: not beating())


@postgres
@committed
def test_whoever_was_stopped_for_a_while_asks_before_going_on(settings):
    """SIGSTOP, a sleeping laptop, a migrating machine: another one has taken over meanwhile."""
    settings.RECO_HEARTBEAT_SECONDS = 30.0
    with lease(1, "train") as mine:
        Job.objects.update(token=uuid.uuid4())
        mine.check()
        mine._heard -= 46
        with pytest.raises(LeaseLost):
            mine.check()


@postgres
@committed
def test_a_job_that_hangs_far_beyond_its_limit_is_let_go_of(settings):
    settings.RECO_HEARTBEAT_SECONDS = 0.3
    mine = held(limit=100.0)
    mine._began -= 270
    assert wait_for(lambda: mine.is_lost)
    settings.RECO_HEARTBEAT_SECONDS = 0.1
    assert wait_for(lambda: take_over() is not None)
    mine.still()


def take_over() -> Held | None:
    try:
        new = take(1, "train")
    except AlreadyRunning:
        return None
    assert new is not None
    new.let_go()
    return new


@pytest.mark.django_db
def test_inside_a_transaction_nothing_beats_since_nobody_would_see_it():
    with lease(1, "train"):
        assert beating() == []


@pytest.mark.django_db
def test_past_its_limit_a_job_is_told_so():
    mine = held(limit=50.0)
    mine.check()
    mine._began -= 51
    with pytest.raises(JobTimedOut, match="RECO_TIME_LIMITS"):
        mine.check()
    assert mine.seconds_left() == 0


# --- offers --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_r09_two_beats_offer_a_job_once():
    assert leases.offer(1, "train")
    assert not leases.offer(1, "train")
    leases.withdraw(1, "train")
    assert leases.offer(1, "train")


@pytest.mark.django_db
def test_an_offer_that_nobody_took_is_made_again():
    assert leases.offer(1, "train")
    heard(301)
    assert leases.offer(1, "train")
    heard(-3_600)
    assert leases.offer(1, "train"), "the clock was set back"


@pytest.mark.django_db
def test_an_offer_does_not_stand_in_the_way_of_the_one_who_takes_it():
    assert leases.offer(1, "train")
    with lease(1, "train"):
        assert not leases.offer(1, "train")


@pytest.mark.django_db
def test_r07_a_dead_holder_is_buried_by_the_offer():
    old = held()
    assert not leases.offer(1, "train")
    heard(20)
    assert leases.offer(1, "train")
    assert not leases.offer(1, "train")
    assert JobLog.objects.get().outcome == Outcome.TAKEN_OVER
    with pytest.raises(LeaseLost):
        old.write()


@pytest.mark.django_db
def test_r07_the_back_off_of_an_earlier_failure_does_not_hold_up_a_takeover():
    Job.objects.create(name="rollup", failures=3, retry_at=Now() + dt.timedelta(hours=5))
    held("rollup").still()  # somebody asked for it, and the worker was killed
    heard(60)
    assert leases.offer(1, "rollup")
    (found,) = (job for job in standing(1) if job.spec.name == "rollup")
    assert found.is_due
