#!/usr/bin/env python3
"""How the view is asked: by /dev/fuse, or by an io_uring where the host has that switched on; either way it is the same view."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, CUSTODY, Place, Skip, main
from user_test import user_place

SWITCH = pathlib.Path('/sys/module/fuse/parameters/enable_uring')
FILES = {'README': 'read me\n', 'cards.csv': f'name,card\nann,{CARD}\n', **{f'many/{n}.txt': f'{n}\n' * 50 for n in range(300)}}
WORK = ('cat README > seen.txt; cat cards.csv > /dev/null; cat many/*.txt | wc -c > count.txt; ls -lR > /dev/null; '
        'dd if=/dev/zero of=big bs=1M count=8 2>/dev/null; cat big > /dev/null; echo more >> README; mv many/7.txt seven.txt; rm big; '
        'python3 -c "import mmap; f = open(\'README\', \'r+b\'); m = mmap.mmap(f.fileno(), 0); m[0:4] = b\'READ\'; m.flush()"')


@contextlib.contextmanager
def switched_on():
    """For the whole host, so no longer than it takes, and one test at a time."""
    try:
        switch = open(SWITCH, 'r+')
    except OSError as why:
        raise Skip(f'FUSE over io_uring cannot be switched on here: {why.strerror}')
    with switch:
        fcntl.flock(switch, fcntl.LOCK_EX)
        was = SWITCH.read_text().strip()
        SWITCH.write_text('Y')
        try:
            yield
        finally:
            SWITCH.write_text(was)


def mechanisms(place, done):
    return [r for r in place.log('--run', done['run']) if r['type'] == 'cell.enforced'][-1]['mechanism'].split()


def what_was_recorded(place, done):
    return sorted((r['type'], r['operation'], re.sub('canary-([a-z]+)-[0-9a-f]+', 'canary-\\1', r['object'].get('path', '')),
                   r.get('verdict', ''), r.get('class', ''))
                  for r in place.log('--run', done['run']) if r['type'].startswith('file.') and 'object' in r)


def work_in(place):
    done = place.run('/bin/sh', '-c', WORK)
    assert done['state'] == 'ready', done
    return mechanisms(place, done), what_was_recorded(place, done), place.git('rev-parse', f'custody/{done["run"]}^{{tree}}').strip()


def both_ways_show_and_record_the_same():
    place = Place(files=FILES)
    try:
        plain, plain_records, plain_tree = work_in(place)
        assert SWITCH.exists() and SWITCH.read_text().strip() == 'Y' or 'dev-fuse' in plain, plain
        with switched_on():
            ring, ring_records, ring_tree = work_in(place)
            doctor = json.loads(place.custody('doctor', '--json').stdout)
        assert 'io_uring' in ring, ring
        assert doctor['host']['fuse']['io_uring'] is True, doctor
        assert plain_records == ring_records, set(plain_records) ^ set(ring_records)
        assert plain_tree == ring_tree
    finally:
        place.close()


def an_ordinary_user_has_it_too():
    with user_place(files={'README': 'x\n', 'a.txt': 'a\n'}) as place, switched_on():
        done = place.run('sh', '-c', 'cat README a.txt > seen.txt')
        assert done['state'] == 'ready', done
        assert 'io_uring' in mechanisms(place, done)


def children(pid):
    return [int(child) for task in pathlib.Path(f'/proc/{pid}/task').iterdir()
            for child in (task / 'children').read_text().split()]


def view_of(pid):
    found = [child for child in children(pid) if pathlib.Path(f'/proc/{child}/comm').read_text().strip() == 'view']
    assert len(found) == 1, found
    return found[0]


def a_dead_view_shuts_the_cell():
    place = Place(files=FILES)
    try:
        with switched_on():
            out = place.root / 'out'
            with open(out, 'wb') as to:
                custody = place.start([CUSTODY, 'run', '--repo', str(place.repo), '--requester', 'tom', '--json', '--', '/bin/sh', '-c',
                                       'cat README > seen.txt; while :; do cat many/*.txt > all.txt; done'], stdout=to, stderr=to)
                place.wait_for_run()
                deadline = time.monotonic() + 20
                while b'io_uring' not in b''.join(json.dumps(r).encode() for r in place.log('--type', 'cell.enforced')):
                    assert time.monotonic() < deadline and custody.poll() is None, out.read_text()
                    time.sleep(0.1)
                time.sleep(0.5)
                os.kill(view_of(custody.pid), signal.SIGKILL)
                assert custody.wait(timeout=30) != 0, out.read_text()
        ended = [r for r in place.log('--type', 'run.ended')][-1]
        assert ended['outcome'] != 'ok', ended
        assert not [r for r in place.log('--type', 'change.made')], 'nothing is collected'
        assert not place.left_behind(), place.left_behind()
    finally:
        place.close()


if __name__ == '__main__':
    main([both_ways_show_and_record_the_same, an_ordinary_user_has_it_too, a_dead_view_shuts_the_cell])
