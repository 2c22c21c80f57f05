#!/usr/bin/env python3
"""A ledger on a small file system of its own that is filled up: what is refused, what is recorded, what goes on."""
import ctypes
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, main, run, wait_until_free

MIB = 1 << 20
SHELL = ('/bin/sh', '-c')


class SmallDisk:
    """A place whose ledger/ is a file system of 64 MiB, in a mount namespace of this test."""

    def __init__(self, size_mib=64, extra=''):
        if os.geteuid() != 0:
            raise Skip('a file system of its own needs root')
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x20000) != 0 or libc.mount(None, b'/', None, 0x44000, None) != 0:
            raise Skip(f'no mount namespace: {os.strerror(ctypes.get_errno())}')
        self.place = Place(policy_extra=extra)
        self.ledger = self.place.home / 'ledger'
        self.ledger.mkdir(exist_ok=True)
        self.wait_until_ended()
        self.mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size_mib}m,mode=755', 'none',
                                       str(self.ledger)], capture_output=True).returncode == 0
        if not self.mounted:
            self.place.close()
            raise Skip('tmpfs cannot be mounted here')

    def wait_until_ended(self):
        wait_until_free(self.ledger / 'lock')

    def free(self):
        room = os.statvfs(self.ledger)
        return room.f_bavail * room.f_frsize

    def fill(self, leave):
        """All but `leave` bytes."""
        with open(self.ledger / 'ballast', 'ab') as file:
            while self.free() > leave:
                file.write(bytes(min(64 * 1024, max(4096, self.free() - leave))))
                file.flush()

    def empty(self):
        (self.ledger / 'ballast').unlink()

    def states(self):
        return [record['reason'] for record in self.place.log('--type', 'disk.state')]

    def close(self):
        self.wait_until_ended()
        if self.mounted:
            run(['umount', self.ledger], check=0)
        self.place.close()


def with_small_disk(test):
    def wrapped():
        disk = SmallDisk()
        try:
            test(disk, disk.place)
        finally:
            disk.close()
    wrapped.__name__ = test.__name__
    return wrapped


@with_small_disk
def a_run_is_not_begun_on_a_disk_with_little_room(disk, place):
    done = place.run(*SHELL, 'echo x > a.txt', check=0)
    assert (disk.ledger / 'reserve').stat().st_size == 8 * MIB
    disk.wait_until_ended()
    assert 'warning' not in done['stderr'], done
    disk.fill(10 * MIB)  # of 64: more than 5 %, less than 20 %
    warned = place.run(*SHELL, 'echo x > c.txt', options=('--quiet',), check=0)
    assert "custody: warning: the ledger's disk has " in warned['stderr'] and 'make room' in warned['stderr'], warned
    disk.wait_until_ended()
    disk.fill(2 * MIB)
    refused = place.run(*SHELL, 'echo x > b.txt')
    assert refused['exit'] == 1 and refused['state'] == 'refused', refused
    assert "the ledger's disk has" in refused['stderr'] and 'make room' in refused['stderr'], refused['stderr']
    approval = place.custody('change', 'approve', done['change'], '--as', 'maria', '--key', place.keys['maria'])
    assert approval.returncode == 1 and "the ledger's disk has" in approval.stderr, approval
    words = place.log('--type', 'refused')
    assert {'cell.enforced', 'approval.given'} <= {r['rule'] for r in words if r['mechanism'] == 'ledger'}, words
    assert disk.states()[-1] == 'refuse', disk.states()
    assert any(r['run'] == refused['run'] and r['outcome'] == 'refused' for r in place.log('--type', 'run.ended'))
    disk.empty()
    place.custody('change', 'approve', done['change'], '--as', 'maria', '--key', place.keys['maria'], check=0)
    place.run(*SHELL, 'echo x > b.txt', check=0)
    assert place.verify()['result'] == 'holds'


@with_small_disk
def a_disk_that_fills_up_during_a_run_ends_it_and_loses_nothing(disk, place):
    run_id = []
    process = subprocess.Popen([CUSTODY, 'run', '--repo', str(place.repo), '--requester', 'tom', '--json', '--', '/bin/sh',
                                '-c', 'i=0; while true; do i=$((i+1)); echo $i > file$i.txt; sleep 0.02; done'],
                               env=place.env, cwd=place.repo, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        run_id.append(place.wait_for_run())
        disk.fill(0)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    result = json.loads(out.strip().splitlines()[-1])
    assert process.returncode == 2 and 'disk-full' in result['reasons'], (result, err)
    assert "the ledger's disk has" in err, err
    disk.wait_until_ended()
    records = place.log('--run', run_id[0])
    ended = [r for r in records if r['type'] == 'run.ended']
    assert len(ended) == 1 and ended[0]['reason'] == 'disk-full', ended
    assert 'full' in disk.states() or 'refuse' in disk.states(), disk.states()
    held = place.verify()
    assert held['result'] == 'holds', held
    disk.empty()
    place.run(*SHELL, 'echo x > b.txt', check=0)
    assert disk.states()[-1] != 'full', disk.states()
    assert (disk.ledger / 'reserve').stat().st_size == 8 * MIB, 'the reserve is made again'
    assert place.verify()['result'] == 'holds'


@with_small_disk
def a_ledger_without_a_byte_of_room_says_so_and_goes_on_later(disk, place):
    place.run(*SHELL, 'echo x > a.txt', check=0)
    disk.wait_until_ended()
    before = place.verify()['size']
    disk.fill(0)
    refused = place.run(*SHELL, 'echo x > b.txt')
    assert refused['exit'] == 1 and 'disk is full' in refused['stderr'] or "disk has" in refused['stderr'], refused
    disk.wait_until_ended()
    held = place.verify()
    assert held['result'] == 'holds' and held['size'] > before, 'the stop itself is sealed: that is what the reserve is for'
    assert not (disk.ledger / 'reserve').exists() or disk.free() > 0
    disk.empty()
    place.run(*SHELL, 'echo x > b.txt', check=0)
    assert place.verify()['result'] == 'holds'


@with_small_disk
def two_people_may_break_the_glass(disk, place):
    """It lets acts pass that are refused for low space; nothing passes unrecorded, and what is wrong about it is refused."""
    def breakglass(first='maria', second='tom', key=None, second_key=None, span='4h', reason='patient-care'):
        return place.custody('breakglass', '--reason', reason, '--as', first, '--key', key or place.keys[first],
                             '--second', second, '--second-key', second_key or place.keys[second], '--for', span)

    place.keys['eve'] = place.root / 'eve.key'
    run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'eve', '-f', place.keys['eve']], check=0)
    place.run('true')
    disk.wait_until_ended()
    disk.fill(2 * MIB)
    assert place.run(*SHELL, 'echo x > a.txt')['exit'] == 1
    for refused, code, words in (
            (breakglass(second='maria', second_key=place.keys['maria']), 1, 'takes two people'),
            (breakglass(second='eve'), 3, "eve is not in the policy's people"),
            (breakglass(second_key=place.keys['maria']), 1, 'not one of tom'),
            (breakglass(key=place.keys['eve']), 1, 'not one of maria'),
            (breakglass(span='25h'), 3, 'between 1m and 24h'),
            (breakglass(span='soon'), 3, '--for soon'),
            (breakglass(reason='because I say so'), 3, 'one word'),
            (place.custody('breakglass', '--as', 'maria'), 3, 'missing: --reason WORD')):
        assert refused.returncode == code and words in refused.stderr, (words, refused)
    assert json.loads(place.custody('breakglass', 'list', '--json', check=0).stdout) == []
    assert place.run(*SHELL, 'echo x > a.txt')['exit'] == 1
    done = breakglass()
    assert done.returncode == 0, done
    for name in ('a.txt', 'b.txt'):
        through = place.run(*SHELL, f'echo x > {name}', check=0)
        disk.wait_until_ended()  # it is remembered over the daemon's end
        flags = [r for r in place.log('--run', through['run']) if r['type'] == 'breakglass']
        assert len(flags) == 1 and flags[0]['outcome'] == 'used' and flags[0]['rule'] == 'disk-low', flags
        assert flags[0]['object']['person'] == 'maria' and flags[0]['object']['second'] == 'tom', flags
        shown = place.custody('show', through['run'], check=0).stdout
        assert 'break-glass' in shown and 'maria' in shown, shown
    row, = json.loads(place.custody('breakglass', 'list', '--json', check=0).stdout)
    assert row['active'] and row['valid'] and row['reason'] == 'patient-care', row
    said, = [r for r in place.log('--type', 'breakglass') if r['outcome'] == 'ok']
    assert said['object']['digest'] == row['digest'] and said['src'].startswith('core/'), said
    assert place.verify()['result'] == 'holds'
    disk.fill(0)  # it makes no room
    stopped = place.run(*SHELL, 'while true; do date > c.txt; sleep 0.02; done', timeout=60)
    assert stopped['exit'] in (1, 2) and 'disk' in stopped['stderr'], stopped
    disk.empty()
    kept = place.home / 'breakglass' / f'{row["digest"]}.first.sig'
    kept.write_bytes(kept.read_bytes().replace(b'A', b'B', 1))
    row, = json.loads(place.custody('breakglass', 'list', '--json', check=1).stdout)
    assert not row['valid'] and not row['active'], row


@with_small_disk
def empty_files_fill_a_disk_too(disk, place):
    """A file system has so many inodes; the run's are gone before the host has none."""
    runs = place.home / 'runs'
    runs.mkdir(exist_ok=True)
    run(['mount', '-t', 'tmpfs', '-o', 'size=400m,nr_inodes=6000,mode=711', 'none', runs], check=0)
    try:
        done = place.run(*SHELL, 'n=0; while [ $n -lt 100 ]; do mkdir .git/$n; (cd .git/$n && touch $(seq 100)); n=$((n+1)); sleep 0.03; done; sleep 20',
                         timeout=90)
        assert done['exit'] in (1, 2) and done['reasons'][0] == 'disk-full' and 'files' in done['stderr'], done
        assert os.statvfs(runs).f_favail > 5000, os.statvfs(runs)
        assert place.run(*SHELL, 'echo x > a.txt', check=0)['state'] == 'ready'
    finally:
        run(['umount', runs], check=0)


if __name__ == '__main__':
    main([a_run_is_not_begun_on_a_disk_with_little_room,
          a_disk_that_fills_up_during_a_run_ends_it_and_loses_nothing,
          a_ledger_without_a_byte_of_room_says_so_and_goes_on_later,
          two_people_may_break_the_glass,
          empty_files_fill_a_disk_too])
