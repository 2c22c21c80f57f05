#!/usr/bin/env python3
"""custody is killed at any moment: nothing runs on, nothing stays mounted or writable, and the next command tidies up."""
import contextlib
import ctypes
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, main

ROUNDS = int(os.environ.get('CUSTODY_TEST_KILLS', '24'))
GONE_S = 30  # a slow machine that does other things: what counts is that it is gone
# Ignores what can be ignored, forks without end, leaves its session; the number tells it from anything else.
STUBBORN = '''
trap "" TERM INT HUP QUIT PIPE
setsid sh -c 'trap "" TERM HUP; while :; do sleep {mark}; done' &
(while :; do sleep {mark} & sleep 0.01; done) &
echo written > left.txt
while :; do echo more >> left.txt; sleep 0.02; done
'''
# Ends at once with much to collect: kills fall into the drain, the commit, the import and the records.
QUICK = '''
# sleep {mark}
for f in 1 2 3 4 5 6 7 8; do mkdir -p made/$f; for n in 0 1 2 3 4 5 6 7 8 9; do echo $n > made/$f/$n; done; done
'''
STOPPED = '''
sleep {mark} & kill -STOP $!
kill -STOP $$
'''


def processes_with(*words):
    """Processes whose command line or environment holds one of the words, this one and its parents left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        if int(pid) in (os.getpid(), os.getppid()):
            continue
        try:
            text = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes() + pathlib.Path(f'/proc/{pid}/environ').read_bytes()
            name = pathlib.Path(f'/proc/{pid}/comm').read_text().strip()
        except OSError:
            continue
        if any(word.encode() in text for word in words):
            found.append((pid, name))
    return found


def groups(place):
    return [path for path in pathlib.Path('/sys/fs/cgroup').glob('**/custody-r-*')
            if path.is_dir() and any(f'/custody-{run}-' in str(path) for run in place.killed)]


def await_end(place, mark, what):
    """Everything of the run is gone; the ledger's daemon may finish its work, and ends by itself."""
    deadline = time.monotonic() + GONE_S
    while True:
        left = processes_with(f'sleep\0{mark}', f'sleep {mark}', str(place.home))
        mounts = [line for line in pathlib.Path('/proc/mounts').read_text().splitlines() if str(place.root) in line]
        if not left and not mounts:
            return
        assert time.monotonic() < deadline, (what, left, mounts)
        time.sleep(0.05)


def killed_after(place, seconds, program, mark):
    runs = set(os.listdir(place.home / 'runs')) if (place.home / 'runs').exists() else set()
    child = subprocess.Popen([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--', '/bin/sh', '-c',
                              program.format(mark=mark)], env=place.env, cwd=place.repo, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    if (place.home / 'runs').exists():
        place.killed |= {name for name in set(os.listdir(place.home / 'runs')) - runs if name.startswith('r-')}


def nothing_is_left_of_a_run_that_was_killed():
    place = Place()
    place.killed = set()
    rng = random.Random(20261126)
    try:
        place.run('true')  # the snapshot is there: kills fall into every step of a warm start
        head = place.git('rev-parse', 'HEAD')
        for number in range(ROUNDS):
            mark = 900000 + number
            seconds = rng.uniform(0, 0.25) if number % 3 else rng.uniform(0.2, 1.2)
            program = (STUBBORN, QUICK, STUBBORN, STOPPED)[number % 4]
            if program is QUICK:
                seconds = rng.uniform(0.1, 0.5)
            killed_after(place, seconds, program, mark)
            await_end(place, mark, f'round {number}, killed after {seconds:.3f} s')
        assert place.git('rev-parse', 'HEAD') == head and place.git('status', '--porcelain') == ''
        for folder in (place.home / 'runs').iterdir():
            if not (folder / 'lock').exists():  # one that a run was just making is left alone for a minute
                os.utime(folder, (0, 0))
        place.custody('runs', 'gc', check=0)
        assert groups(place) == [], groups(place)
        left = [name for name in os.listdir(place.home / 'runs') if name.startswith('r-')]
        assert left == [], left
        assert place.verify()['result'] == 'holds'
        done = place.run('/bin/sh', '-c', 'echo fine > fine.txt')
        assert done['state'] == 'ready', done
    finally:
        place.close()


def a_killed_run_is_told_of_by_the_next():
    """The one that comes next says how the killed one ended; its branch was never made."""
    place = Place()
    place.killed = set()
    try:
        killed_after(place, 1.5, STUBBORN, 910000)
        if not place.killed:
            raise Skip('this machine was too slow to begin a run')
        await_end(place, 910000, 'killed after 1.5 s')
        place.run('true')
        run = sorted(place.killed)[0]
        ended = [r for r in place.log('--run', run) if r['type'] == 'run.ended']
        assert len(ended) == 1 and ended[0]['outcome'] == 'failed', ended
        assert run not in place.git('branch', '--list', '--all'), 'a killed run left a branch'
    finally:
        place.close()


@contextlib.contextmanager
def freezer():
    """A group of the freezer's first version; whoever is in it stands still, and SIGKILL waits for them."""
    top = pathlib.Path('/sys/fs/cgroup/freezer')
    if os.geteuid() != 0 or not (top / 'tasks').exists():
        raise Skip('no freezer of version 1 that this user may use')
    group = top / f'custody-test-{os.getpid()}'
    group.mkdir()
    try:
        yield group
    finally:
        (group / 'freezer.state').write_text('THAWED')
        for _ in range(100):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.05)


def start_agent(place, mark):
    """A run whose agent sleeps; gives custody's process and the agent's pid."""
    child = subprocess.Popen([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--', 'sleep', str(mark)],
                             env=place.env, cwd=place.repo, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + GONE_S
    while True:
        agents = [pid for pid, name in processes_with(f'sleep\0{mark}') if name == 'sleep']
        if agents:
            place.killed |= {name for name in os.listdir(place.home / 'runs') if name.startswith('r-')}
            return child, int(agents[0])
        assert time.monotonic() < deadline, 'the agent did not start'
        time.sleep(0.05)


def frozen_agent(place, group, mark):
    child, agent = start_agent(place, mark)
    (group / 'tasks').write_text(str(agent))
    (group / 'freezer.state').write_text('FROZEN')
    while (group / 'freezer.state').read_text().strip() != 'FROZEN':
        time.sleep(0.01)
    return child, agent


def a_frozen_cell_ends_too():
    """Nobody thaws its processes when custody is killed: what is left of it does."""
    place = Place()
    place.killed = set()
    try:
        with freezer() as group:
            child, _ = frozen_agent(place, group, 920000)
            child.send_signal(signal.SIGKILL)
            child.wait()
            await_end(place, 920000, 'frozen')
            assert (group / 'tasks').read_text() == '' and groups(place) == []
    finally:
        place.close()


def gc_ends_a_frozen_cell_whose_keeper_is_gone():
    place = Place()
    place.killed = set()
    try:
        with freezer() as group:
            child, agent = frozen_agent(place, group, 920001)
            keepers = [pid for pid, name in processes_with(str(place.home)) if name == 'custody-keeper']
            assert len(keepers) == 1, keepers
            child.send_signal(signal.SIGSTOP)
            os.kill(int(keepers[0]), signal.SIGKILL)
            child.send_signal(signal.SIGKILL)
            child.wait()
            time.sleep(0.5)
            assert os.path.exists(f'/proc/{agent}'), 'it was not frozen, or something else ended it'
            place.custody('runs', 'gc', check=0)
            await_end(place, 920001, 'frozen, after gc')
            assert groups(place) == [] and not os.path.exists(f'/proc/{agent}')
    finally:
        place.close()


def a_frozen_run_can_be_stopped():
    """custody lives: the cell is thawed to death, the run is recorded."""
    place = Place()
    place.killed = set()
    try:
        with freezer() as group:
            child, agent = frozen_agent(place, group, 920002)
            run = next(iter(place.killed))
            place.custody('stop', run, check=0, timeout=30)
            assert child.wait(timeout=30) != 0 and not os.path.exists(f'/proc/{agent}')
            ended = [r for r in place.log('--run', run) if r['type'] == 'run.ended']
            assert [r['reason'] for r in ended] == ['stopped'], ended
    finally:
        place.close()


def a_traced_cell_dies_too():
    """A debugger of the host has stopped the agent and never waits: it runs no further."""
    if os.geteuid() != 0:
        raise Skip('an ordinary user may not trace a cell')
    libc = ctypes.CDLL(None, use_errno=True)
    place = Place()
    place.killed = set()
    try:
        child, agent = start_agent(place, 920003)
        if libc.ptrace(0x4206, agent, None, None) != 0 or libc.ptrace(0x4207, agent, None, None) != 0:  # SEIZE, INTERRUPT
            raise Skip(f'ptrace: {os.strerror(ctypes.get_errno())}')
        deadline = time.monotonic() + GONE_S
        while proc_state(agent) != 't':
            assert time.monotonic() < deadline, proc_state(agent)
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        while proc_state(agent) != 'Z':  # dead; the debugger has not looked yet
            assert time.monotonic() < deadline, proc_state(agent)
            time.sleep(0.01)
        os.waitpid(agent, 0)
        await_end(place, 920003, 'traced')
        assert groups(place) == []
    finally:
        place.close()


def a_run_that_a_debugger_holds_ends_without_it():
    """custody lives: it waits a while, then says what is left, and the run's end is recorded."""
    if os.geteuid() != 0:
        raise Skip('an ordinary user may not trace a cell')
    libc = ctypes.CDLL(None, use_errno=True)
    place = Place()
    place.killed = set()
    try:
        child, agent = start_agent(place, 920004)
        if libc.ptrace(0x4206, agent, None, None) != 0:
            raise Skip(f'ptrace: {os.strerror(ctypes.get_errno())}')
        run = next(iter(place.killed))
        place.custody('stop', run, check=0, timeout=60)
        assert proc_state(agent) == 'Z', proc_state(agent)
        assert child.wait(timeout=30) != 0
        ended = [r for r in place.log('--run', run) if r['type'] == 'run.ended']
        assert [r['outcome'] for r in ended] == ['stopped'], ended
        os.waitpid(agent, 0)
        await_end(place, 920004, 'traced, stopped')
        assert groups(place) == []
    finally:
        place.close()


def proc_state(pid):
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]


if __name__ == '__main__':
    main([nothing_is_left_of_a_run_that_was_killed, a_killed_run_is_told_of_by_the_next, a_frozen_cell_ends_too,
          gc_ends_a_frozen_cell_whose_keeper_is_gone, a_frozen_run_can_be_stopped, a_traced_cell_dies_too,
          a_run_that_a_debugger_holds_ends_without_it])
