#!/usr/bin/env python3
"""A canary that got through, or was not tried, refuses the run: exit 4, and the ledger says which."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, Skip, main

FAULTS = os.environ.get('CUSTODY_FAULTS', '')
# Fault of the host; the canary that says so, and how. None: every canary held, and the view saw otherwise.
CASES = (
    ('shadow-opens', 'host-shadow', 'broken'),
    ('card-missing', 'card-number', 'broken'),
    ('no-listener', 'abstract-socket', 'missed'),
    ('denied-unasked', None, None),
    ('write-unasked', None, None),
)


def with_fault(place, fault):
    return place.run('/bin/sh', '-c', 'echo ran > ran.txt', env={'LD_PRELOAD': FAULTS, 'FAULT': fault})


def a_canary_that_does_not_hold_refuses_the_run():
    if FAULTS == '':
        raise Skip('nothing can be preloaded into a sanitized build')
    place = Place()
    try:
        for fault, canary, outcome in CASES:
            done = with_fault(place, fault)
            assert done['exit'] == 4 and done['state'] == 'refused' and 'canary' in done['reasons'], (fault, done)
            assert 'no agent was started' in done['stderr'], (fault, done)
            records = place.log('--run', done['run'])
            not_held = [(r['rule'], r['outcome']) for r in records if r['type'] == 'canary'
                        and r['outcome'] not in ('held', 'not-tried')]
            assert not_held[:1] == ([] if canary is None else [(canary, outcome)]), (fault, not_held)
            enforced = [r for r in records if r['type'] == 'cell.enforced']
            assert enforced[-1]['outcome'] == 'refused', (fault, enforced)
            ended = [r for r in records if r['type'] == 'run.ended']
            assert [(r['outcome'], r['reason']) for r in ended] == [('refused', 'canary')], (fault, ended)
            assert 'file.written' not in [r['type'] for r in records], fault
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def without_a_fault_the_same_run_goes():
    if FAULTS == '':
        raise Skip('nothing can be preloaded into a sanitized build')
    place = Place()
    try:
        done = with_fault(place, 'none')
        assert done['exit'] == 0, done
        canaries = {r['rule']: r['outcome'] for r in place.log('--run', done['run']) if r['type'] == 'canary'}
        assert len(canaries) >= 32, canaries
        for planted in ('card-number', 'denied-file', 'forbidden-write', 'abstract-socket'):
            assert canaries[planted] == 'held', canaries
        assert set(canaries.values()) <= {'held', 'not-tried'}, canaries
    finally:
        place.close()


def what_policy_shows_has_no_canary_and_the_others_are_tried():
    place = Place(policy_extra='data: { pan: { view: allow, model: deny, checks: redact } }\n',
                  repository_policy='version: 1\nrepository: billing\nowner: tom\n')
    try:
        done = place.run('/bin/sh', '-c', 'echo x > a.txt', check=0)
        canaries = {r['rule']: r['outcome'] for r in place.log('--run', done['run']) if r['type'] == 'canary'}
        assert canaries['card-number'] == 'not-tried', canaries
        assert canaries['denied-file'] == canaries['forbidden-write'] == 'held', canaries
    finally:
        place.close()


if __name__ == '__main__':
    main([a_canary_that_does_not_hold_refuses_the_run,
          without_a_fault_the_same_run_goes,
          what_policy_shows_has_no_canary_and_the_others_are_tried])
