#!/usr/bin/env python3
"""No record, no action: a ledger that hangs or is killed, a landing that is cut off."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, main, run, wait_until_free

SHELL = ('/bin/sh', '-c')
LIMIT_S = 2.0  # of the ledger's answer
SLACK_S = 2.5  # a busy host; what a verb does before it asks


def daemon_of(place):
    """Pid of the ledger's daemon, by the lock that it holds."""
    inode = os.stat(place.home / 'ledger/lock').st_ino
    for line in open('/proc/locks'):
        words = line.split()
        if words[1] == 'FLOCK' and words[5].endswith(f':{inode}'):
            return int(words[4])
    raise Skip('/proc/locks does not name the daemon')


def ended(place):
    """No daemon has the ledger."""
    wait_until_free(place.home / 'ledger/lock')


def started(place):
    """A daemon that stays for a while."""
    if (place.home / 'ledger').exists():
        ended(place)
    place.env['CUSTODY_LEDGER_LINGER_MS'] = '60000'
    place.run('true')
    return daemon_of(place)


def timed(call, *words, **more):
    begun = time.monotonic()
    done = call(*words, **more)
    return done, time.monotonic() - begun


def end(place, pid):
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGTERM)
    ended(place)
    place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'


def approved(place):
    change = place.run(*SHELL, 'echo three >> src/app.txt', check=0)['change']
    place.custody('change', 'approve', change, '--as', 'maria', '--key', place.keys['maria'], check=0)
    return change


def head_of(place, change):
    return next(row['head'] for row in json.loads(place.custody('change', 'list', '--json').stdout) if row['id'] == change)


def every_verb_is_refused_in_two_seconds_when_the_ledger_hangs():
    place = Place()
    try:
        ready = place.run(*SHELL, 'echo x > a.txt', check=0)['change']
        change = approved(place)
        pid = started(place)
        os.kill(pid, signal.SIGSTOP)
        head = place.git('rev-parse', 'main')
        verbs = (('change', 'approve', ready, '--as', 'maria', '--key', place.keys['maria']),
                 ('change', 'reject', ready),
                 ('change', 'land', change),
                 ('breakglass', '--reason', 'test', '--as', 'maria', '--key', place.keys['maria'],
                  '--second', 'tom', '--second-key', place.keys['tom'], '--for', '1h'),
                 ('run', '--repo', place.repo, '--', 'true'))
        for verb in verbs:
            done, took = timed(place.custody, *verb)
            assert done.returncode not in (0, 130), (verb, done)
            assert 'the ledger does not answer' in done.stderr, (verb, done.stderr)
            assert took < LIMIT_S + SLACK_S, (verb, took)
        assert place.git('rev-parse', 'main') == head
        os.kill(pid, signal.SIGCONT)
        states = {row['id']: row['state'] for row in json.loads(place.custody('change', 'list', '--json').stdout)}
        assert states[ready] == 'ready' and states[change] == 'approved', states
        place.custody('change', 'land', change, check=0)
        end(place, pid)
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def an_agent_is_told_why_when_the_ledger_hangs():
    """A model call of a run that is under way: refused within two seconds, and the model never asked."""
    place = Place()
    try:
        port, log = place.scripted_model({'version': 1, 'turns': [{'text': 'hi'}]})
        place.policy(model_url=f'http://127.0.0.1:{port}/v1')
        pid = started(place)
        body = '{"model":"onprem","messages":[{"role":"user","content":"hi"}]}'
        script = f"sleep 1; curl -s -m 20 -H 'content-type: application/json' -d '{body}' $OPENAI_BASE_URL/chat/completions"
        process = place.start([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--json', '--', *SHELL,
                               script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place.repo)
        place.wait_for_run()
        os.kill(pid, signal.SIGSTOP)
        out, err = process.communicate(timeout=60)
        end(place, pid)
        lines = err.splitlines()
        at = next((i for i, line in enumerate(lines) if 'cannot be recorded' in line or 'cannot be written' in line), None)
        assert at is not None, err
        assert 'does not answer' in lines[at], lines[at]
        asked = log.read_text() if log.exists() else ''
        assert 'POST' not in asked, asked
        result = json.loads(out.strip().splitlines()[-1])
        assert process.returncode == 2 and 'record-missing' in result['reasons'], (result, err)
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def a_ledger_that_is_killed_ends_the_run_and_loses_nothing():
    place = Place()
    try:
        pid = started(place)
        process = place.start([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--json', '--', *SHELL,
                               'i=0; while true; do i=$((i+1)); echo $i > f$i; sleep 0.05; done'],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place.repo)
        place.wait_for_run()
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        result = json.loads(out.strip().splitlines()[-1])
        assert process.returncode == 2 and result['reasons'], (result, err)
        place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
        place.custody('runs', 'gc', check=0)
        place.run('true')
        opened = [r['reason'] for r in place.log('--type', 'ledger.opened')]
        assert 'recovered' in opened, opened
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def a_landing_that_was_cut_off_is_brought_to_its_end():
    """The branch was moved, and the process died before it could say so."""
    place = Place()
    try:
        for number, moved_on in enumerate((False, True)):
            change = place.run(*SHELL, f'echo three > src/new{number}.txt', check=0)['change']
            if moved_on:  # so that it is a merge
                place.write('other.txt', 'x\n')
                place.commit('other')
            place.custody('change', 'approve', change, '--as', 'maria', '--key', place.keys['maria'], check=0)
            place.git('merge', '-q', '--no-edit', head_of(place, change))  # what the killed process had done
            place.custody('change', 'land', change, check=0)
            landed = place.log('--type', 'change.landed')
            assert landed[-1]['outcome'] == 'ok' and landed[-1]['reason'] == 'found', landed
            states = {row['id']: row['state'] for row in json.loads(place.custody('change', 'list', '--json').stdout)}
            assert states[change] == 'landed', states
        change = approved(place)
        place.git('merge', '-q', '--no-edit', head_of(place, change))
        place.write('more.txt', 'more\n')  # not what was approved
        place.commit('more')
        refused = place.custody('change', 'land', change, check=1)
        assert 'not what was approved' in refused.stderr, refused
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def acts_are_announced_and_answered_by_number():
    place = Place()
    try:
        change = approved(place)
        place.custody('change', 'land', change, check=0)
        for kind in ('change.made', 'change.landed'):
            first, second = [r for r in place.log('--type', kind)]
            assert first['outcome'] == 'intended' and second['outcome'] == 'ok', (first, second)
            assert second['intent'] == first['seq'] and second['src'] == first['src'], (first, second)
        held = place.verify()
        assert held['result'] == 'holds' and held['intents_open'] == 0, held
    finally:
        place.close()


if __name__ == '__main__':
    main([every_verb_is_refused_in_two_seconds_when_the_ledger_hangs,
          an_agent_is_told_why_when_the_ledger_hangs,
          a_ledger_that_is_killed_ends_the_run_and_loses_nothing,
          a_landing_that_was_cut_off_is_brought_to_its_end,
          acts_are_announced_and_answered_by_number])
