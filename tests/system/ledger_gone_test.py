"""The ledger's files go away, or cannot be written any more, under a daemon that serves: what was acknowledged, what goes on."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, main, run
from no_record_test import daemon_of, ended, started

SHELL = ('/bin/sh', '-c')
NOTICED_S = 2


def alive(pid):
    try:
        return open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def stop(place, pid):
    """The daemon, if it is still there; the next one lingers as briefly as ever."""
    place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
    for _ in range(100):
        if not alive(pid):
            return
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.05)
    raise AssertionError('the daemon does not end')


def act(place, name):
    """A change of its own; a run's first act is durable before its cell starts."""
    return place.run(*SHELL, f'echo {name} > {name}.txt')


def runs_recorded(place):
    return {r['run'] for r in place.log('--type', 'run.started')}


class Loss:
    """A place with a daemon that has acknowledged a run, before something happens to its files."""

    def __init__(self):
        self.place = Place()
        self.ledger = self.place.home / 'ledger'
        started(self.place)  # the first daemon of all
        stop(self.place, daemon_of(self.place))
        self.pid = started(self.place)
        self.run = act(self.place, 'before')
        assert self.run['exit'] == 0, self.run
        self.size = self.place.verify()['size']

    def close(self):
        if alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        self.place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
        self.place.close()


def with_loss(test):
    def wrapped():
        loss = Loss()
        try:
            test(loss, loss.place)
        finally:
            loss.close()
    wrapped.__name__ = test.__name__
    return wrapped


def expect_nothing_lost(loss, before, *later):
    """Every run that ended well is in the ledger, which holds; `before`: its size as it was."""
    stop(loss.place, loss.pid)
    last = act(loss.place, 'last')
    assert last['exit'] == 0, last
    held = loss.place.verify()
    assert held['result'] == 'holds' and held['size'] > before, held
    wanted = {done['run'] for done in (loss.run, last, *later) if done['exit'] == 0}
    assert wanted <= runs_recorded(loss.place), wanted


@with_loss
def what_can_be_made_anew_is_made_anew(loss, place):
    """Checkpoint, signer's state, partial tiles, reserve: the daemon knows them, and the next checkpoint writes them."""
    for name in ('checkpoint', 'state/signed', 'reserve'):
        (loss.ledger / name).unlink()
    for path in list((loss.ledger / 'tile').rglob('*')):
        if path.is_file():
            path.unlink()
    done = act(place, 'after')
    assert done['exit'] == 0 and alive(loss.pid), done
    expect_nothing_lost(loss, loss.size, done)


@with_loss
def a_full_tile_that_was_removed_is_missed(loss, place):
    """It is written once: records go on, and the verifier names what is missing."""
    place.run(*SHELL, 'for i in $(seq 300); do echo $i > f$i; done')  # too much for a change, not for the ledger
    tile = loss.ledger / 'tile/entries/000'
    assert tile.is_file()
    tile.unlink()
    assert act(place, 'after')['exit'] == 0
    held = place.verify(check=2)
    assert held['result'] == 'incomplete' and any('entries/000' in text for text in held['problems']), held
    stop(place, loss.pid)


def expect_end(loss, place, words):
    """Nothing more is acknowledged by the daemon, whose last words say why."""
    begun = time.monotonic()
    place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'  # of another that may begin
    while alive(loss.pid):
        done = act(place, 'unseen')
        if done['exit'] != 0:
            break
        assert time.monotonic() - begun < NOTICED_S + 1, 'not noticed'
    for _ in range(40):
        if not alive(loss.pid):
            break
        time.sleep(0.05)
    assert not alive(loss.pid), 'it goes on'
    if words:
        said = (loss.ledger / 'state/last-fault').read_text()
        assert words in said, said


@with_loss
def a_log_that_was_removed_ends_the_daemon_and_no_other_begins(loss, place):
    for path in (loss.ledger / 'wal').iterdir():
        path.unlink()
    refused = act(place, 'after')
    assert refused['exit'] in (1, 2) and 'record-missing' in refused['reasons'], refused
    expect_end(loss, place, 'the write-ahead log was removed')
    begun = time.monotonic()
    refused = act(place, 'later')
    assert refused['exit'] == 3 and 'the write-ahead log is gone' in refused['stderr'], refused
    assert time.monotonic() - begun < NOTICED_S + 2, 'refused late'
    held = place.verify()
    assert held['result'] == 'holds' and held['size'] >= loss.size, 'what was published stays'


@with_loss
def a_lock_that_was_removed_ends_the_daemon_before_there_are_two(loss, place):
    (loss.ledger / 'lock').unlink()
    time.sleep(1.2)
    expect_end(loss, place, "the ledger's lock was removed")
    expect_nothing_lost(loss, loss.size)


@with_loss
def a_ledger_that_was_removed_is_not_begun_anew_under_its_key(loss, place):
    kept = place.root / 'kept'
    shutil.copytree(loss.ledger, kept)  # a backup
    shutil.rmtree(loss.ledger)
    expect_end(loss, place, None)
    for _ in range(2):
        begun = time.monotonic()
        refused = act(place, 'later')
        assert refused['exit'] == 3 and 'what this key has signed is gone' in refused['stderr'], refused
        assert time.monotonic() - begun < NOTICED_S + 2, 'refused late'
    assert place.verify(check=2)['result'] == 'incomplete'
    shutil.rmtree(loss.ledger, ignore_errors=True)
    shutil.copytree(kept, loss.ledger)
    expect_nothing_lost(loss, loss.size)


class ReadOnly:
    """A place whose ledger/ is an ext4 of its own, which turns read-only when it is told of an error."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Skip('a file system of its own needs root')
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x20000) != 0 or libc.mount(None, b'/', None, 0x44000, None) != 0:
            raise Skip(f'no mount namespace: {os.strerror(ctypes.get_errno())}')
        if shutil.which('mkfs.ext4') is None:
            raise Skip('no mkfs.ext4')
        self.place = Place()
        self.mounted = False
        self.ledger = self.place.home / 'ledger'
        self.ledger.mkdir(exist_ok=True)
        ended(self.place)
        image = self.place.root / 'image'
        with open(image, 'wb') as file:
            file.truncate(128 << 20)
        run(['mkfs.ext4', '-q', '-F', image], check=0)
        done = run(['mount', '-o', 'loop,errors=remount-ro', image, self.ledger])
        if done.returncode != 0:
            self.place.close()
            raise Skip(f'no loop device: {done.stderr.strip()}')
        self.mounted = True
        device = os.path.basename(os.path.realpath(f'/sys/dev/block/{os.major(os.stat(self.ledger).st_dev)}:'
                                                   f'{os.minor(os.stat(self.ledger).st_dev)}'))
        self.trigger = pathlib.Path(f'/sys/fs/ext4/{device}/trigger_fs_error')
        if not os.access(self.trigger, os.W_OK):
            self.close()
            raise Skip('ext4 here takes no test errors')
        shutil.rmtree(self.ledger / 'lost+found')

    def turn_read_only(self):
        self.trigger.write_text('test')

    def mend(self):
        """As after a restart of the host: checked, and mounted anew."""
        run(['umount', self.ledger], check=0)
        run(['e2fsck', '-fy', self.place.root / 'image'])
        run(['mount', '-o', 'loop,errors=remount-ro', self.place.root / 'image', self.ledger], check=0)

    def close(self):
        self.place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
        if self.mounted:
            for _ in range(100):
                if run(['umount', self.ledger]).returncode == 0:
                    break
                time.sleep(0.1)
        self.place.close()


def a_file_system_that_turns_read_only_ends_what_is_under_way():
    disk = ReadOnly()
    place = disk.place
    try:
        pid = started(place)
        before = act(place, 'before')
        assert before['exit'] == 0, before
        process = subprocess.Popen([CUSTODY, 'run', '--repo', str(place.repo), '--requester', 'tom', '--json', '--', *SHELL,
                                    'i=0; while true; do i=$((i+1)); echo $i > f$i; sleep 0.05; done'], env=place.env,
                                   cwd=place.repo, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        try:
            under_way = place.wait_for_run()
            disk.turn_read_only()
            begun = time.monotonic()
            out, err = process.communicate(timeout=30)
            took = time.monotonic() - begun
        finally:
            process.kill()
        result = json.loads(out.strip().splitlines()[-1])
        assert process.returncode == 2 and result['reasons'] and took < NOTICED_S + 2, (result, err, took)
        begun = time.monotonic()
        refused = act(place, 'refused')
        took = time.monotonic() - begun
        assert refused['exit'] in (1, 2, 3) and took < NOTICED_S + 2, (refused, took)
        assert not alive(pid), 'a daemon that cannot write goes on'
        held = place.verify()
        assert held['result'] == 'holds', held
        place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
        disk.mend()
        place.custody('runs', 'gc', check=0)
        after = act(place, 'after')
        assert after['exit'] == 0, after
        assert {before['run'], under_way, after['run']} <= runs_recorded(place)
        opened = [r['reason'] for r in place.log('--type', 'ledger.opened')]
        assert 'recovered' in opened, opened
        assert place.verify()['result'] == 'holds'
        ended(place)
    finally:
        disk.close()


if __name__ == '__main__':
    main([what_can_be_made_anew_is_made_anew, a_full_tile_that_was_removed_is_missed,
          a_log_that_was_removed_ends_the_daemon_and_no_other_begins,
          a_lock_that_was_removed_ends_the_daemon_before_there_are_two,
          a_ledger_that_was_removed_is_not_begun_anew_under_its_key,
          a_file_system_that_turns_read_only_ends_what_is_under_way])
