"""A ledger whose policy asks for witnesses that stay silent: what is refused after how long, what lets it pass, what ends it."""
import json
import os
import signal
import socket
import subprocess
import time

from harness import CUSTODY, main, wait_until_free
from witness_test import with_witnesses

LIMIT = 5
SHELL = ('/bin/sh', '-c')
SHORT = f', quorum_seconds: {LIMIT}'


def states(w):
    return [(r['reason'], r['mechanism']) for r in w.place.log('--type', 'quorum.state')]


def refusals(w):
    return [r for r in w.place.log('--type', 'refused') if r['reason'] == 'no-quorum']


def ended(w):
    for lock in ('lock', 'state/relay.lock'):
        wait_until_free(w.ledger / lock)


def run_once(w, text):
    done = w.place.run(*SHELL, f'echo {text} > a.txt')
    ended(w)
    return done


def expect_refused(w, done, *words):
    assert done['exit'] == 1 and done['state'] == 'refused', done
    for word in words:
        assert word in done['stderr'], (word, done['stderr'])
    assert w.place.verify()['result'] == 'holds'


@with_witnesses(require=2, more=SHORT)
def silent_witnesses_stop_what_is_new_until_they_are_back(w):
    assert run_once(w, 'one')['exit'] == 0
    w.kill(0)
    w.kill(1)
    began = time.monotonic()
    within = run_once(w, 'two')
    if time.monotonic() - began < LIMIT - 1:
        assert within['exit'] == 0, within
    time.sleep(max(0, began + LIMIT + 1.5 - time.monotonic()))
    refused = run_once(w, 'three')
    expect_refused(w, refused, 'wait for 2 witnesses since ', 'bring back w.example/0 (last ',
                   ', w.example/1 (last ', 'custody breakglass')
    assert 'w.example/2' not in refused['stderr'], refused['stderr']
    assert 'custody: warning: records wait for 2 witnesses since ' in refused['stderr'], refused['stderr']
    doctor = json.loads(w.place.custody('doctor', '--json', check=0).stdout)['witnesses']
    assert doctor['level'] == 'missing' and doctor['cosigned'] < doctor['size'] and doctor['limit_us'] == LIMIT * 10**6, doctor
    assert [witness['name'] for witness in doctor['witnesses']] == [f'w.example/{i}' for i in range(3)], doctor
    assert '  witnesses             missing: ' in w.place.custody('doctor', check=0).stdout
    assert {r['rule'] for r in refusals(w)} == {'cell.enforced'}, refusals(w)
    assert any(r['run'] == refused['run'] and r['outcome'] == 'refused' for r in w.place.log('--type', 'run.ended'))
    w.place.custody('breakglass', '--reason', 'patient-care', '--as', 'maria', '--key', w.place.keys['maria'], '--second',
                    'tom', '--second-key', w.place.keys['tom'], '--for', '1h', check=0)
    through = run_once(w, 'four')
    assert through['exit'] == 0, through
    flag, = [r for r in w.place.log('--run', through['run']) if r['type'] == 'breakglass']
    assert flag['outcome'] == 'used' and flag['rule'] == 'no-quorum', flag
    (w.ledger / 'state/breakglass').unlink()
    expect_refused(w, run_once(w, 'five'), 'bring back')
    w.start(0)
    back = run_once(w, 'six')  # the first round comes before the first refusal
    assert back['exit'] == 0, back
    doctor = json.loads(w.place.custody('doctor', '--json', check=0).stdout)['witnesses']
    assert doctor['level'] == 'ok' and doctor['cosigned'] == doctor['size'] and doctor['waits_since_us'] == 0, doctor
    said = states(w)
    assert ('missing', 'relay') in said and said[-1] == ('ok', 'relay'), said
    w.kill(0)
    w.start(0)
    w.start(1)
    assert w.append() == w.verify(0)['cosigned']


@with_witnesses(require=2, more=SHORT)
def a_run_that_is_under_way_does_nothing_new(w):
    """Its agent goes on; what it wrote is not taken as a change, and its end is a record."""
    assert run_once(w, 'one')['exit'] == 0
    process = subprocess.Popen([CUSTODY, 'run', '--repo', str(w.place.repo), '--requester', 'tom', '--json', '--', *SHELL,
                                f'echo x > b.txt; sleep {LIMIT + 3}'], env=w.place.env, cwd=w.place.repo,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        run_id = w.place.wait_for_run()
        for number in range(3):
            w.kill(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    result = json.loads(out.strip().splitlines()[-1])
    assert process.returncode in (1, 2) and result['state'] == 'failed' and 'ledger' in result['reasons'], (result, err)
    assert f"custody/{result['run']}" not in w.place.git('branch', '--all'), 'it became a change'
    assert 'bring back' in err, err
    ended(w)
    last, = [r for r in w.place.log('--run', run_id) if r['type'] == 'run.ended']
    assert last['outcome'] != 'ok', last
    assert [reason for reason, _ in states(w)][:2] == ['late', 'missing'], states(w)
    assert w.place.verify()['result'] == 'holds'


def relay_of(w):
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            name = open(f'/proc/{pid}/comm').read().strip()
            environ = open(f'/proc/{pid}/environ', 'rb').read()
        except OSError:
            continue
        if name == 'custody-relay' and str(w.place.home).encode() in environ:
            return int(pid)
    raise AssertionError('there is no relay')


@with_witnesses(require=1, more=SHORT)
def a_relay_that_was_killed_is_no_quorum(w):
    process = subprocess.Popen([CUSTODY, 'run', '--repo', str(w.place.repo), '--requester', 'tom', '--json', '--', *SHELL,
                                f'sleep {LIMIT + 3}; echo x > b.txt'], env=w.place.env, cwd=w.place.repo,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        w.place.wait_for_run()
        os.kill(relay_of(w), signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    result = json.loads(out.strip().splitlines()[-1])
    assert process.returncode in (1, 2) and result['state'] == 'failed' and 'ledger' in result['reasons'], (result, err)
    assert f"custody/{result['run']}" not in w.place.git('branch', '--all'), 'it became a change'
    assert 'the relay to the witnesses has ended' in err, err
    ended(w)
    said = states(w)
    assert ('ok', 'relay-ended') in said and ('missing', 'relay-ended') in said, said
    assert run_once(w, 'again')['exit'] == 0  # another relay
    assert w.place.verify()['result'] == 'holds'


@with_witnesses(require=0, more=SHORT)
def a_ledger_that_is_asked_for_signatures_has_the_whole_limit_first(w):
    for number in range(3):
        w.kill(number)
    assert run_once(w, 'one')['exit'] == 0
    time.sleep(LIMIT + 1.5)
    assert run_once(w, 'two')['exit'] == 0, 'nobody asks for witnesses'
    assert states(w) == []
    policy = w.place.home / 'policy.yaml'
    policy.write_text(policy.read_text().replace('require: 0', 'require: 2'))
    began = time.monotonic()
    first = run_once(w, 'three')
    if time.monotonic() - began < LIMIT - 1:
        assert first['exit'] == 0, first
    time.sleep(max(0, began + LIMIT + 1.5 - time.monotonic()))
    expect_refused(w, run_once(w, 'four'), 'w.example/0 (never)', '1 more')
    for number in range(3):
        w.start(number)
    assert run_once(w, 'five')['exit'] == 0


@with_witnesses(require=2, more=SHORT)
def an_agent_is_told_why_and_the_model_is_not_asked(w):
    port, log = w.place.scripted_model({'version': 1, 'turns': [{'text': 'hi'}]})
    policy = w.place.home / 'policy.yaml'
    policy.write_text(policy.read_text().replace('http://127.0.0.1:9/v1', f'http://127.0.0.1:{port}/v1'))
    body = '{"model":"onprem","messages":[{"role":"user","content":"hi"}]}'
    call = f"curl -s -m 20 -H 'content-type: application/json' -d '{body}' $OPENAI_BASE_URL/chat/completions"
    process = w.place.start([CUSTODY, 'run', '--repo', w.place.repo, '--requester', 'tom', '--json', '--', *SHELL,
                             f'{call}; sleep {LIMIT + 3}; {call}'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            cwd=w.place.repo)
    run_id = w.place.wait_for_run()
    for number in range(3):
        w.kill(number)
    err = process.communicate(timeout=60)[1]
    assert 'so it is refused' in err and 'wait for 2 witnesses' in err, err
    assert log.read_text().count('"method":"POST"') == 1, log.read_text()
    ended(w)
    kinds = [r['type'] for r in w.place.log('--run', run_id)]
    assert kinds.count('model.intent') == kinds.count('model.outcome') == 1, kinds
    assert {r['rule'] for r in refusals(w)} == {'model.intent'}, refusals(w)
    assert w.place.verify()['result'] == 'holds'


@with_witnesses(require=1, more=SHORT)
def a_start_waits_for_hanging_witnesses_not_for_long(w):
    for number in range(3):
        w.kill(number)
    assert run_once(w, 'one')['exit'] == 0
    time.sleep(LIMIT + 1.5)
    held = [socket.create_server(('127.0.0.1', port)) for port in w.ports]  # they listen and never answer
    try:
        began = time.monotonic()
        refused = w.place.run(*SHELL, 'echo two > a.txt')
        took = time.monotonic() - began
        assert took < 15 + 5, took
        assert refused['exit'] == 1 and refused['state'] == 'refused', refused
    finally:
        for listener in held:
            listener.close()
    ended(w)
    assert w.place.verify()['result'] == 'holds'


if __name__ == '__main__':
    main([silent_witnesses_stop_what_is_new_until_they_are_back, a_run_that_is_under_way_does_nothing_new,
          a_relay_that_was_killed_is_no_quorum, a_ledger_that_is_asked_for_signatures_has_the_whole_limit_first,
          an_agent_is_told_why_and_the_model_is_not_asked, a_start_waits_for_hanging_witnesses_not_for_long])
