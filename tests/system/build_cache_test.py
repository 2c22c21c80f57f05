#!/usr/bin/env python3
"""~/.cache of a cell that outlives the run: one for each repository, policy and role, bounded, held by one run at a time."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, main

GIVEN = 'resources: { build_cache: 16M }\n'


def caches(place, *words):
    return json.loads(place.custody('runs', 'gc', '--json', *words, check=0).stdout)['caches']


def in_cell(place, script, *options):
    done = place.run('/bin/sh', '-c', script, options=options)
    return {**done, 'said': [line for line in done['stderr'].splitlines() if not line.startswith('custody:')]}


def what_is_kept_is_the_next_runs():
    place = Place(policy_extra=GIVEN, files={'README': 'x\n', 'cards.csv': f'name,card\nann,{CARD}\n'})
    try:
        first = in_cell(place, 'mkdir -p ~/.cache/tool && printf "#!/bin/sh\necho kept\n" > ~/.cache/tool/run && '
                               'chmod 755 ~/.cache/tool/run; echo one > ~/other; echo made')
        assert first['said'] == ['made'], first
        assert first['state'] == 'empty', first
        second = in_cell(place, '~/.cache/tool/run; ls ~/other 2>/dev/null; ls -A ~/.cache')
        assert second['said'] == ['kept', 'tool'], second
        seen = [r for r in place.log('--type', 'cell.enforced') if r.get('mechanism') == 'build-cache']
        assert len(seen) == 2 and len({r['object']['digest'] for r in seen}) == 1, seen
        assert {r['class'] for r in seen} == {'pan'} and seen[0]['count'] < seen[1]['count'], seen
        assert not list(place.home.glob('cache/*/build*'))
    finally:
        place.close()


def nobody_else_sees_it():
    """Not another role, not another repository, not the same one under another policy; and none is there by default."""
    place = Place(policy_extra=GIVEN)
    try:
        in_cell(place, 'echo secret > ~/.cache/kept')
        look = 'cat ~/.cache/kept 2>/dev/null; ls -A ~/.cache 2>/dev/null; echo looked'
        assert in_cell(place, look, '--role', 'planner')['said'] == ['looked']
        other = place.root / 'other'
        place.git('clone', '-q', place.repo, other)
        done = place.custody('run', '--repo', other, '--requester', 'tom', '--', '/bin/sh', '-c', look)
        assert 'secret' not in done.stdout + done.stderr and 'looked' in done.stdout + done.stderr, done
        assert in_cell(place, look)['said'] == ['secret', 'kept', 'looked']
        place.policy(GIVEN + 'data: { pan: { view: allow, model: deny } }\n')
        assert in_cell(place, look)['said'] == ['looked']
        place.policy()
        in_cell(place, 'mkdir -p ~/.cache && echo again > ~/.cache/kept')
        assert in_cell(place, look)['said'] == ['looked']
        assert sorted((os.path.basename(c['repository']), c['role']) for c in caches(place)) == [
            ('billing', 'coder'), ('billing', 'coder'), ('billing', 'planner'), ('other', 'coder')]
        assert all(c['removed'] for c in caches(place, '--caches')) and caches(place) == []
        assert list((place.home / 'build').iterdir()) == []
        place.policy(GIVEN)
        assert in_cell(place, look)['said'] == ['looked']
    finally:
        place.close()


def what_grows_too_large_is_emptied():
    place = Place(policy_extra=GIVEN)
    try:
        done = in_cell(place, 'for i in $(seq 40); do head -c 1000000 /dev/urandom > ~/.cache/$i; done; sync; sleep 3')
        assert 'emptied' in done['stderr'], done
        assert 'disk-limit' in done['reasons'], done
        assert in_cell(place, 'ls -A ~/.cache; echo empty')['said'] == ['empty']
    finally:
        place.close()


def what_a_hostile_agent_leaves_leads_nowhere():
    place = Place(policy_extra=GIVEN)
    try:
        target = place.root / 'target'
        target.mkdir(mode=0o755)
        (target / 'file').write_text('untouched\n')
        before = os.stat(target / 'file')
        in_cell(place, f'cd ~/.cache; ln -s {target} link; ln -s / root; ln -s ../lock lock; mkdir closed; echo x > closed/x; '
                       'chmod 000 closed; printf "#!/bin/sh\n" > setuid; chmod 6755 setuid; mkfifo pipe')
        data = next(place.home.glob('build/*/*/data'))
        for path in [data, *data.rglob('*')]:  # as if the run's user had been another one
            if os.geteuid() == 0:
                os.chown(path, 61999, 61999, follow_symlinks=False)
        done = in_cell(place, 'cd ~/.cache; ls -A; test "$(stat -c %u link closed setuid pipe | sort -u)" = "$(id -u)" && echo mine; ls link/ 2>/dev/null; echo end')
        assert done['agent_exit'] == 0 and done['said'][-1] == 'end' and 'file' not in done['said'], done
        if os.geteuid() == 0:
            assert 'mine' in done['said'], done
        after = os.stat(target / 'file')
        assert (before.st_uid, before.st_mode) == (after.st_uid, after.st_mode)
        deep = in_cell(place, 'cd ~/.cache; for i in $(seq 200); do mkdir d && cd d || exit 1; done; echo deep')
        assert deep['said'][-1] == 'deep', deep
        done = in_cell(place, 'ls -A ~/.cache; echo end')
        assert done['said'] == ['end'], done  # what cannot be counted is emptied
        assert list(data.parent.iterdir()) and not (data / 'd').exists()
    finally:
        place.close()


def two_runs_do_not_share_it():
    place = Place(policy_extra=GIVEN)
    try:
        first = place.start([place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', '/bin/sh', '-c',
                             'echo first > ~/.cache/first; sleep 20'])
        place.wait_for_run()
        held = caches(place, '--caches')
        assert [(c['held'], c['removed']) for c in held] == [(True, False)], held
        done = in_cell(place, 'cat ~/.cache/first; mkdir -p ~/.cache && echo second > ~/.cache/second; echo end')
        assert 'end' in done['said'] and 'first' not in done['said'], done  # two streams: in any order
        assert 'another run of this role has the build cache' in done['stderr'], done
        first.terminate()
        first.wait(30)
        deadline = time.monotonic() + 10
        while caches(place)[0]['held'] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert in_cell(place, 'ls -A ~/.cache')['said'] == ['first']
    finally:
        place.close()


def a_cache_of_the_host_does_not_lie_in_it():
    place = Place(policy_extra='resources: { build_cache: 16M }\ncaches: { .cache/npm: /srv }\n')
    try:
        done = place.run('/bin/true', check=3)
        assert '.cache/npm' in done['stderr'] and 'build_cache' in done['stderr'], done
    finally:
        place.close()


if __name__ == '__main__':
    main([what_is_kept_is_the_next_runs, nobody_else_sees_it, what_grows_too_large_is_emptied,
          what_a_hostile_agent_leaves_leads_nowhere, two_runs_do_not_share_it, a_cache_of_the_host_does_not_lie_in_it])
