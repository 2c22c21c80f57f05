#!/usr/bin/env python3
"""resources: what a cell may use, by control groups where there are any, else watched or said not to be had."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, Skip, main
from user_test import user_place

# Memory by every way that no tmpfs bounds: taken and held until it is killed.
HOGS = {
    'anonymous': 'held = []\nwhile True: held.append(b"x" * (8 << 20))\n',
    'forked': 'import os\nfor _ in range(8):\n  if os.fork() == 0: break\n'
              'held = []\nfor _ in range(8): held.append(os.urandom(4 << 20))\ntime.sleep(60)\n',
    'shared': 'import mmap\nheld = []\nwhile True:\n  held.append(mmap.mmap(-1, 8 << 20)); held[-1].write(b"x" * (8 << 20))\n',
    'nameless': 'import os\nfd = os.memfd_create("x")\nwhile True: os.write(fd, b"x" * (8 << 20)); time.sleep(0.002)\n',
}


def hog(name):
    return ('python3', '-c', 'import time\n' + HOGS[name] + 'time.sleep(60)\n')


def enforced(place, done):
    return [r for r in place.log('--run', done['run']) if r['type'] == 'cell.enforced']


def mechanisms(place, done):
    return enforced(place, done)[-1]['mechanism'].split()


def ended_for_memory(place, done):
    assert done['reasons'][0] == 'memory-limit', done
    assert done['exit'] == 2 and done['state'] == 'failed', done
    ended = [r for r in place.log('--run', done['run']) if r['type'] == 'run.ended']
    assert [r['reason'] for r in ended] == ['memory-limit'], ended


def a_group_kills_who_uses_too_much_memory():
    place = Place(policy_extra='resources: { memory: 128M }\n')
    try:
        done = place.run(*hog('anonymous'), timeout=60)
        if 'cgroup-memory' not in mechanisms(place, done):
            raise Skip('no control group for memory can be made here')
        ended_for_memory(place, done)
        # An agent that outlives its program goes on, and is told of.
        done = place.run('/bin/sh', '-c', "python3 -c 'x = []\nwhile True: x.append(b\"x\" * (8 << 20))'; echo on > on.txt",
                         timeout=60)
        assert done['state'] == 'ready' and 'resources.memory' in done['stderr'], done
    finally:
        place.close()


def without_a_group_memory_is_watched():
    """An ordinary user without a delegated group: the cell is killed all the same."""
    with user_place(policy_extra='resources: { memory: 128M }\n') as place:
        done = place.run('sh', '-c', 'sleep 1; echo fine > fine.txt')
        assert done['state'] == 'ready', done
        if 'cgroup-memory' in mechanisms(place, done):
            raise Skip('this user has a control group')
        rules = [r['rule'] for r in enforced(place, done) if r['mechanism'] == 'limits']
        assert any(rule.startswith('resources.memory: watched') for rule in rules), rules
        for name in HOGS:
            began = time.monotonic()
            done = place.run(*hog(name), timeout=60)
            ended_for_memory(place, done)
            assert time.monotonic() - began < 20, name
        # What is shared counts once: eight processes over the same 64 MiB are no hog.
        done = place.run('python3', '-c', 'import os, time\nheld = os.urandom(64 << 20)\n'
                         'for _ in range(8):\n  if os.fork() == 0: break\ntime.sleep(3)\n', timeout=60)
        assert done.get('reasons') == ['no-change'], done


def io_is_bounded_where_there_is_a_controller():
    place = Place(policy_extra='resources: { io: 2M }\n', repository_policy=SCRATCH)
    try:
        began = time.monotonic()
        done = place.run('sh', '-c', 'dd if=/dev/zero of=build/x bs=1M count=8 oflag=direct && echo x > x.txt', timeout=120)
        took = time.monotonic() - began
        if 'cgroup-io' not in mechanisms(place, done):
            assert 'resources.io is not kept' in done['stderr'], done
            rules = [r['rule'] for r in enforced(place, done) if r['mechanism'] == 'limits']
            assert 'resources.io: not limited' in rules, rules
            raise Skip('no control group for io here, which the run said')
        assert done['state'] == 'ready' and took > 2.5, (took, done)
    finally:
        place.close()


def io_that_cannot_be_bounded_is_said():
    with user_place(policy_extra='resources: { io: 2M }\n') as place:
        done = place.run('sh', '-c', 'echo x > x.txt')
        if 'cgroup-io' in mechanisms(place, done):
            raise Skip('this user has a control group')
        assert done['state'] == 'ready' and 'resources.io is not kept' in done['stderr'], done
        rules = [r['rule'] for r in enforced(place, done) if r['mechanism'] == 'limits']
        assert 'resources.io: not limited' in rules, rules


SCRATCH = 'version: 1\nrepository: billing\nowner: tom\npaths:\n  scratch: [build]\n'


def ended_for_disk(place, done):
    assert done['reasons'][0] == 'disk-limit' and done['exit'] == 2, done
    ended = [r for r in place.log('--run', done['run']) if r['type'] == 'run.ended']
    assert [r['reason'] for r in ended] == ['disk-limit'], ended


def what_others_give_back_hides_no_writes():
    """The free space of the disk does not fall, since somebody else removes as much: the folders are counted all the same."""
    place = Place(policy_extra='resources: { disk: 32M }\n', repository_policy=SCRATCH)
    try:
        ballast = place.root / 'ballast'
        with open(ballast, 'wb') as file:
            os.posix_fallocate(file.fileno(), 0, 400 << 20)
        freed = threading.Timer(2, ballast.unlink)
        freed.start()
        done = place.run('sh', '-c', 'sleep 3; for n in 1 2 3 4; do head -c 12000000 /dev/zero > build/$n; done; sleep 20', timeout=60)
        freed.join()
        ended_for_disk(place, done)
    finally:
        place.close()


def what_has_no_name_any_more_counts():
    place = Place(policy_extra='resources: { disk: 32M }\n', repository_policy=SCRATCH)
    try:
        done = place.run('python3', '-c', 'import os, time\nheld = []\nfor n in range(8):\n'
                         '  held.append(open("build/x", "wb")); os.unlink("build/x"); held[-1].write(os.urandom(16 << 20)); held[-1].flush()\n'
                         '  os.fsync(held[-1].fileno())\ntime.sleep(20)\n', timeout=60)
        ended_for_disk(place, done)
    finally:
        place.close()


def a_folder_that_cannot_be_read_is_no_disk():
    """Tests of programs make such folders. A large limit: others fill this disk, too."""
    with user_place(policy_extra='resources: { disk: 20G }\n', repository_policy=SCRATCH) as place:
        done = place.run('sh', '-c', 'mkdir build/shut; chmod 0 build/shut; sleep 3; chmod 700 build/shut; echo x > x.txt', timeout=60)
        assert done['state'] == 'ready', done


if __name__ == '__main__':
    main([a_group_kills_who_uses_too_much_memory, without_a_group_memory_is_watched,
          io_is_bounded_where_there_is_a_controller, io_that_cannot_be_bounded_is_said,
          what_others_give_back_hides_no_writes, what_has_no_name_any_more_counts, a_folder_that_cannot_be_read_is_no_disk])
