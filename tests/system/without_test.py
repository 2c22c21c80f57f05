#!/usr/bin/env python3
"""The hostile program where the kernel lacks what custody can do without: nothing more comes out, and the record says what held."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import escape_run_test as escape
from harness import CARD, CUSTODY, Skip, fuse_for_everybody, main, run, wait_until_free

WITHOUT = os.environ.get('CUSTODY_WITHOUT', 'build/tests/system/without')
OPTIONAL = ('landlock', 'fanotify', 'io_uring', 'cgroup')
# Without Landlock's scopes a program may signal all of its own cell; pid 1 is not moved by it, the run is the agent's.
OWN_CELL_ONLY = {'landlock': {'kill-init-pidfd': '-', 'kill-others': '-'}}
NAMED = {'landlock': 'landlock', 'fanotify': 'fanotify', 'cgroup': 'cgroup-'}  # in the mechanisms of cell.enforced
USER = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']


def lacking(place, mechanisms, user=()):
    """Every custody of that place runs as on a kernel without these."""
    place.custody = lambda *words, env=None, check=None, **more: run(
        [WITHOUT, *mechanisms, '--', *user, CUSTODY, *words], env={**place.env, **(env or {})}, cwd=place.repo, check=check, **more)


def needs_root():
    if os.geteuid() != 0:
        raise Skip('taking mechanisms away needs root')
    done = run([WITHOUT, *OPTIONAL, '--', 'true'])
    if done.returncode != 0:
        raise Skip(f'cannot take mechanisms away here: {done.stderr.strip()}')


def holds_without(place, mechanisms, more=None, words=()):
    done = escape.attack(place, *words)
    seen = escape.verdicts(done)
    allowed = {name: met for mechanism in mechanisms for name, met in OWN_CELL_ONLY.get(mechanism, {}).items()}
    allowed.update(more or {})
    other = {name: row[1] for name, row in seen.items() if row[0] != 'stopped'}
    assert other.items() <= allowed.items(), (mechanisms, other, done['stderr'][-2000:])
    assert seen.keys() == escape.listed().keys(), seen.keys() ^ escape.listed().keys()
    records = place.log('--run', done['run'])
    assert CARD not in done['stderr'] + done['stdout'] + json.dumps(records)
    told = [r for r in records if r['type'] == 'cell.enforced'][-1]['mechanism']
    for mechanism, name in NAMED.items():
        assert mechanism not in mechanisms or not any(word.startswith(name) for word in told.split()), (mechanism, told)
    assert done['state'] == 'blocked' and 'link-leaves-tree' in done['reasons'], done
    assert not (place.root / 'marker').exists(), 'something planted ran outside'
    assert place.verify()['result'] == 'holds'
    return done


def root_without(*mechanisms):
    needs_root()
    place = escape.hostile_place()
    try:
        lacking(place, mechanisms)
        kept = [name for name in ('fuse', 'namespaces', 'seccomp', 'landlock') if name not in mechanisms]
        escape.is_recorded(place, holds_without(place, mechanisms), kept)
    finally:
        place.close()


def without_landlock():
    root_without('landlock')


def without_fanotify():
    root_without('fanotify')


def without_io_uring():
    root_without('io_uring')


def without_control_groups():
    root_without('cgroup')


def without_any_of_them():
    root_without(*OPTIONAL)


def without_any_of_them_as_an_ordinary_user():
    needs_root()
    for words, why in ((['unshare', '--user', 'true'], 'ordinary users get no user namespace here'),
                       (['test', '-x', CUSTODY], "the build is out of an ordinary user's reach")):
        if run([*USER, *words]).returncode != 0:
            raise Skip(why)
    with fuse_for_everybody():
        place = escape.hostile_place()
        try:
            wait_until_free(place.home / 'ledger/lock')
            escape.give_away(place.root)
            lacking(place, OPTIONAL, USER)
            holds_without(place, OPTIONAL)
        finally:
            place.close()


def without_any_of_them_in_a_degraded_cell():
    needs_root()
    place = escape.hostile_place()
    try:
        place.policy(escape.RESOURCES + 'containment: degraded\n')
        whole = place.run
        place.run = lambda *program, **more: whole(*program, options=('--cell', 'namespaces/injected'), **more)
        lacking(place, OPTIONAL)
        holds_without(place, OPTIONAL, escape.INJECTED, ('--without', 'fill-view'))
    finally:
        place.close()


def without_a_listener_nothing_runs():
    """Programs that start could not be told of: no run, and why."""
    needs_root()
    place = escape.hostile_place()
    try:
        lacking(place, ('listener',))
        done = place.run('/bin/sh', '-c', 'echo ran > ran.txt')
        assert done['exit'] == 4 and done['state'] == 'refused' and done['reasons'] == ['host'], done
        assert "ask to be told of the cell's calls" in done['stderr'], done['stderr']
        assert [r['reason'] for r in place.log('--run', done['run']) if r['type'] == 'run.ended'] == ['host']
    finally:
        place.close()


if __name__ == '__main__':
    main([without_landlock, without_fanotify, without_io_uring, without_control_groups, without_any_of_them,
          without_any_of_them_as_an_ordinary_user, without_any_of_them_in_a_degraded_cell, without_a_listener_nothing_runs])
