#!/usr/bin/env python3
"""custody is killed at any moment: nothing runs on, nothing stays mounted or writable, and the next command tidies up."""
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
GONE_S = 8
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


def a_frozen_cell_ends_too():
    """Its processes are frozen by a control group when custody is killed."""
    freezer = pathlib.Path('/sys/fs/cgroup/freezer')
    if os.geteuid() != 0 or not (freezer / 'tasks').exists():
        raise Skip('no freezer of version 1 that this user may use')
    group = freezer / f'custody-test-{os.getpid()}'
    place = Place()
    place.killed = set()
    try:
        group.mkdir()
        child = subprocess.Popen([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--', 'sleep', '920000'],
                                 env=place.env, cwd=place.repo, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            agents = [pid for pid, name in processes_with('sleep\x00920000') if name == 'sleep']
            if agents:
                break
            time.sleep(0.05)
        assert agents, 'the agent did not start'
        (group / 'tasks').write_text(agents[0])
        (group / 'freezer.state').write_text('FROZEN')
        child.send_signal(signal.SIGKILL)
        child.wait()
        time.sleep(0.5)
        (group / 'freezer.state').write_text('THAWED')  # a frozen process cannot die before
        await_end(place, 920000, 'frozen')
    finally:
        if group.exists():
            (group / 'freezer.state').write_text('THAWED')
            for _ in range(100):
                try:
                    group.rmdir()
                    break
                except OSError:
                    time.sleep(0.05)
        place.close()


if __name__ == '__main__':
    main([nothing_is_left_of_a_run_that_was_killed, a_killed_run_is_told_of_by_the_next, a_frozen_cell_ends_too])
