#!/usr/bin/env python3
"""What was said stands encrypted, opens to whoever has the key and only to them, and is gone once the key is."""
import base64
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from gateway_test import World
from harness import CARD, Skip, main, run
from held import unpacked

RETENTION = 'retention: { payloads: 90d }\n'
# Words that no detector knows and no program writes: of the ticket, of the prompt, of the answer, of the diff.
TICKET, PROMPT, ANSWER, DIFF = ('quillfeather-' + tail for tail in ('tickets', 'prompts', 'answers', 'changes'))
SCRIPT = {'version': 1, 'turns': [{'text': ANSWER, 'usage': {'input': 900, 'output': 40}}]}
SAID = {'ticket': TICKET, 'prompt': PROMPT, 'answer': ANSWER, 'diff': DIFF, 'output': '[status 200]'}


SPOKEN = ('onprem', 'responses', 'messages')  # models, each in another dialect


class Place(World):
    """One run has said all four."""

    def __init__(self, retention=RETENTION, script=None):
        super().__init__(script=script or SCRIPT, policy_extra=retention)
        self.ticket = self.root / 'TICKET.md'
        self.ticket.write_text(f'# Look\n\nThe patient is {TICKET}.\n')

    def say(self):
        """A run with a ticket, calls in three dialects, streamed and not, and a change; gives its id."""
        user = [{'role': 'user', 'content': f'about {PROMPT}'}]
        script = ''.join(self.call(name, stream=stream, **({'input': f'about {PROMPT}'} if name == 'responses' else
                                                           {'messages': user}))
                         for name in SPOKEN for stream in (False, True))
        done = self.run('/bin/sh', '-c', script + f'echo {DIFF} > made', options=('--ticket', self.ticket), check=0)
        assert done['stderr'].count('[status 200]') == 6, done['stderr']
        return done['run']

    def payloads(self, run_id):
        return json.loads(self.custody('payload', 'list', '--run', run_id, '--json', check=0).stdout)

    def show(self, run_id, which, check=0):
        return self.custody('payload', 'show', run_id, which, check=check)

    def erase(self, run_id, check=0, reason='subject-request'):
        return self.custody('erase', run_id, '--as', 'maria', '--reason', reason, check=check)

    def prove(self, index, name, *more, check=0):
        return self.custody('prove', index, '--out', self.root / f'{name}.proof', '--record', self.root / f'{name}.record',
                            *more, check=check)

    def verify_proof(self, name, *more):
        return self.custody('verify', '--json', '--proof', self.root / f'{name}.proof', '--record',
                            self.root / f'{name}.record', *more)

    def settle(self):
        """Ends the model, and waits until the ledger's daemon has ended: then nothing is on its way any more."""
        for process in self.processes:
            process.kill()
            process.wait()
        assert self.left_behind() == []


def forms(word):
    """The ways in which a word may stand in a file."""
    raw = word.encode()
    yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), word.encode('utf-16-le'), word.encode('utf-16-be'))
    for shift in range(3):  # what of a base64 text is the same, whatever stands around it
        yield base64.b64encode(b'\0' * shift + raw)[(0, 4, 4)[shift]:-4]


def files_that_hold(home, words):
    """Every file below the state folder that has one of the words in any form; nothing is left out."""
    found = []
    seen = 0
    for folder, _, files in os.walk(home):
        for name in files:
            path = pathlib.Path(folder) / name
            if not path.is_file() or path.is_symlink():
                continue
            seen += 1
            content = path.read_bytes()
            found += [(str(path), word) for text in unpacked(content) for word in words
                      if any(form in text for form in forms(word))]
    assert seen > 5, seen
    return found


def nothing_that_was_said_stands_in_the_state_folder():
    place = Place()
    try:
        for form in forms(TICKET):  # the search itself must find
            (place.home / 'planted').write_bytes(b'xx' + form + b'yy')
            assert files_that_hold(place.home, [TICKET]) == [(str(place.home / 'planted'), TICKET)], form
        (place.home / 'planted').write_bytes(b'z' + gzip.compress(b'..' + TICKET.encode()))
        assert files_that_hold(place.home, [TICKET])
        (place.home / 'planted').unlink()
        place.say()
        place.settle()
        assert files_that_hold(place.home, SAID.values()) == []
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def all_of_it_opens_to_whoever_has_the_state_folder():
    place = Place()
    try:
        run_id = place.say()
        rows = place.payloads(run_id)
        kinds = [row['kind'] for row in rows]
        assert sorted(kinds) == sorted(['ticket', 'diff', 'output', *(6 * ['prompt', 'answer'])]), kinds
        assert {row['state'] for row in rows} == {'kept'}, rows
        for row in rows:
            shown = place.show(run_id, row['index']).stdout
            assert SAID[row['kind']] in shown, (row, shown)
            assert place.show(run_id, row['payload'][:12]).stdout == shown
        assert place.show(run_id, rows[0]['index']).stdout == place.ticket.read_text()
        asked = [json.dumps(request['body'], sort_keys=True) for request in place.asked()]
        prompts = [json.dumps(json.loads(place.show(run_id, row['index']).stdout), sort_keys=True)
                   for row in rows if row['kind'] == 'prompt']
        assert prompts == asked, 'the prompts are what reached the model'
        place.show(run_id, '999', check=3)
        place.show('r-none', rows[0]['index'], check=3)
    finally:
        place.close()


def an_intent_names_a_payload_that_is_there_and_no_digest_of_its_text():
    place = Place()
    try:
        run_id = place.say()
        for record in place.log('--run', run_id):
            what = record.get('object', {})
            if 'payload' in what:
                assert (place.home / 'payloads' / run_id / what['payload']).is_file(), record
                assert what['scope'] == run_id and len(what['commitment']) == 64, record
            if record['type'] in ('run.started', 'model.intent', 'model.outcome'):
                assert 'digest' not in what, 'a digest without a key lets guesses be tested'
        modes = {name: (place.home / name).stat().st_mode & 0o777
                 for name in ('keys/scopes', f'keys/scopes/{run_id}', 'payloads', f'payloads/{run_id}')}
        assert list(modes.values()) == [0o700, 0o600, 0o700, 0o700], modes
    finally:
        place.close()


def another_runs_user_reaches_no_payload_and_no_key():
    if os.geteuid() != 0:
        raise Skip('an ordinary user runs all of its runs as itself')
    place = Place()
    try:
        run_id = place.say()
        owner = (place.home / 'payloads' / run_id).stat().st_uid
        assert owner != 0
        names = [f'keys/scopes/{run_id}', f'payloads/{run_id}', f'payloads/{run_id}/{place.payloads(run_id)[0]["payload"]}']
        for uid in (owner, owner + 1):  # the uid is another run's tomorrow
            for name in names:
                seen = run(['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', '--', 'stat', place.home / name])
                assert seen.returncode != 0 and 'ermission denied' in seen.stderr, (uid, name, seen)
    finally:
        place.close()


def without_retention_there_are_commitments_only_and_they_open():
    place = Place(retention='')
    try:
        run_id = place.say()
        rows = place.payloads(run_id)
        assert {row['state'] for row in rows} == {'committed'} and not (place.home / 'payloads').exists(), rows
        assert 'retention.payloads' in place.show(run_id, rows[0]['index'], check=3).stderr
        place.prove(rows[0]['index'], 'mine', '--value', place.ticket)
        seen = json.loads(place.verify_proof('mine', '--value', place.ticket).stdout)
        assert (seen['result'], seen['opened']) == ('holds', True), seen
        other = place.root / 'other'
        other.write_text('# Look\n')
        assert 'commits to another ticket' in place.prove(rows[0]['index'], 'other', '--value', other, check=1).stderr
        assert place.prove(rows[0]['index'], 'none', '--open', place.root / 'none', check=3).returncode == 3
    finally:
        place.close()


def a_proof_opens_one_value_and_says_when_it_does_not_fit():
    place = Place()
    try:
        run_id = place.say()
        rows = place.payloads(run_id)
        prompt, answer = rows[1], rows[2]
        place.prove(prompt['index'], 'prompt', '--open', place.root / 'prompt')
        place.prove(answer['index'], 'answer', '--open', place.root / 'answer')
        place.prove(prompt['index'], 'closed')
        assert (place.root / 'prompt').read_text() == place.show(run_id, prompt['index']).stdout
        verify = os.environ.get('CUSTODY_VERIFY', 'build/custody-verify')
        done = run([verify, '--proof', place.root / 'prompt.proof', '--record', place.root / 'prompt.record', '--value',
                    place.root / 'prompt', '--key', place.home / 'keys/ledger.vkey', '--json'], check=0)
        assert json.loads(done.stdout)['opened'] is True, done.stdout
        assert json.loads(place.verify_proof('prompt').stdout)['opened'] is False
        for proof, value, code in (('prompt', 'prompt', 0), ('prompt', 'answer', 1), ('answer', 'prompt', 1),
                                   ('closed', 'prompt', 2)):
            seen = place.verify_proof(proof, '--value', place.root / value)
            assert seen.returncode == code, (proof, value, seen.stdout)
        # An opening of one record opens no other: its key is of that record alone.
        lines = [(place.root / f'{name}.proof').read_text().splitlines(True) for name in ('prompt', 'answer')]
        assert lines[0][1].startswith('extra ')
        lines[1][1] = lines[0][1]
        (place.root / 'answer.proof').write_text(''.join(lines[1]))
        assert place.verify_proof('answer', '--value', place.root / 'answer').returncode == 1
    finally:
        place.close()


def a_payload_that_is_not_what_was_recorded_is_not_shown():
    place = Place()
    try:
        first, second = place.say(), place.say()
        rows = place.payloads(first)
        mine = place.home / 'payloads' / first / rows[1]['payload']
        theirs = place.home / 'payloads' / second / place.payloads(second)[1]['payload']
        whole = mine.read_bytes()
        flipped = bytearray(whole)
        flipped[40] ^= 1
        for content in (bytes(flipped), whole[:-1], whole[:20], b'', whole + b'\0', theirs.read_bytes()):
            mine.write_bytes(content)
            seen = place.show(first, rows[1]['index'], check=1)
            assert seen.stdout == '' and 'was changed' in seen.stderr, seen
        mine.unlink()
        assert [row['state'] for row in place.payloads(first)][:2] == ['kept', 'lost']
        assert place.show(first, rows[1]['index'], check=3).stdout == ''
        mine.write_bytes(whole)
        key = place.home / 'keys/scopes' / first
        kept = key.read_bytes()
        key.write_bytes((place.home / 'keys/scopes' / second).read_bytes())
        seen = place.show(first, rows[1]['index'], check=1)
        assert seen.stdout == '' and 'another scope or key' in seen.stderr, seen
        key.write_bytes(kept[:31])
        place.show(first, rows[1]['index'], check=3)
        key.write_bytes(kept)
        assert PROMPT in place.show(first, rows[1]['index']).stdout
    finally:
        place.close()


def after_erasure_nothing_opens_and_every_proof_says_what_it_said():
    place = Place()
    try:
        run_id, other = place.say(), place.say()
        rows = place.payloads(run_id)
        place.prove(rows[1]['index'], 'closed')
        place.prove(rows[1]['index'], 'open', '--open', place.root / 'open')
        key = (place.home / 'keys/scopes' / run_id).read_bytes()
        checkpoint = place.root / 'kept'
        shutil.copy(place.home / 'ledger/checkpoint', checkpoint)

        def said():
            whole = place.verify()
            return (whole['result'], whole['problems'], whole['intents_open'], place.verify_proof('closed').stdout,
                    place.verify_proof('open', '--value', place.root / 'open').stdout,
                    place.custody('verify', '--against', checkpoint).returncode)

        before = said()
        place.erase('r-20200101-000000-0000', check=3)
        assert 'not in the policy' in place.custody('erase', run_id, '--as', 'nobody', '--reason', 'x', check=3).stderr
        place.custody('erase', run_id, '--as', 'maria', '--reason', 'Because I say so', check=3)
        place.custody('erase', run_id, '--as', 'maria', check=3)
        assert place.log('--type', 'erasure') == []
        place.erase(run_id)
        assert said() == before and before[0] == 'holds', (before, said())
        assert not (place.home / 'payloads' / run_id).exists() and not (place.home / 'keys/scopes' / run_id).exists()
        place.settle()
        for folder, _, files in os.walk(place.home):
            for name in files:
                content = (pathlib.Path(folder) / name).read_bytes() if not name.endswith('.sock') else b''
                assert not any(form in content for form in (key, key.hex().encode(), base64.b64encode(key))), name
        for row in rows:
            seen = place.show(run_id, row['index'], check=1)
            assert seen.stdout == '' and 'was erased 20' in seen.stderr and 'by maria (subject-request)' in seen.stderr, seen
        assert {row['state'] for row in place.payloads(run_id)} == {'erased'}
        place.prove(rows[1]['index'], 'late', '--value', place.root / 'open', check=1)
        intended, done = place.log('--type', 'erasure')
        assert (intended['outcome'], done['outcome'], done['intent'], done['count']) == ('intended', 'ok', intended['seq'], 15)
        assert done['object'] == {'person': 'maria', 'scope': run_id}, done
        assert 'was erased before' in place.erase(run_id).stdout
        assert len(place.log('--type', 'erasure')) == 2
        assert {row['state'] for row in place.payloads(other)} == {'kept'}
        assert PROMPT in place.show(other, place.payloads(other)[1]['index']).stdout
    finally:
        place.close()


def a_key_that_comes_back_is_erased_again():
    place = Place()
    try:
        run_id = place.say()
        rows = place.payloads(run_id)
        key, payloads = place.home / 'keys/scopes' / run_id, place.home / 'payloads' / run_id
        backup = place.root / 'backup'
        shutil.copytree(payloads, backup / 'payloads')
        shutil.copy(key, backup / 'key')
        place.erase(run_id)
        shutil.copytree(backup / 'payloads', payloads)
        shutil.copy(backup / 'key', key)
        assert PROMPT in place.show(run_id, rows[1]['index']).stdout, 'a key that is there opens'
        assert json.loads(place.custody('runs', 'gc', '--json', check=0).stdout)['erased'] == 1
        assert not key.exists() and not payloads.exists()
        place.show(run_id, rows[1]['index'], check=1)
        assert [r['reason'] for r in place.log('--type', 'erasure')] == 2 * ['subject-request'] + 2 * ['returned']
        assert json.loads(place.custody('runs', 'gc', '--json', check=0).stdout)['erased'] == 0
    finally:
        place.close()


def a_run_under_way_and_a_held_one_are_not_erased():
    place = Place()
    try:
        process = place.start([place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--quiet', '--',
                               '/bin/sleep', '60'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run_id = place.wait_for_run()
        assert 'is under way' in place.erase(run_id, check=1).stderr
        place.custody('stop', run_id, check=0)
        process.wait(20)
        if place.custody('hold', 'place', '--help').returncode != 0:
            raise Skip('a run under way is not erased; there is no `custody hold` yet to hold one')
        place.custody('hold', 'place', '--run', run_id, '--as', 'tom', '--reason', 'lawsuit', check=0)
        seen = place.erase(run_id, check=1)
        assert 'legal hold' in seen.stderr and (place.home / 'keys/scopes' / run_id).exists(), seen
        assert place.log('--type', 'erasure') == []
    finally:
        place.close()


def an_erasure_that_was_cut_off_anywhere_is_finished():
    if shutil.which('strace') is None:
        raise Skip('no strace')
    place = Place()
    try:
        cut = {}
        for call in ('sendto', 'fsync', 'renameat', 'pwrite64', 'unlinkat'):
            for count in range(1, 40):
                run_id = place.run('/bin/sh', '-c', 'true', check=2)['run']
                killed = run(['strace', '-f', '-o', '/dev/null', '-e', f'trace={call}', '-e',
                              f'inject={call}:signal=KILL:when={count}', place.program, 'erase', run_id, '--as', 'maria',
                              '--reason', 'cut-off'], env=place.env, cwd=place.repo)
                if killed.returncode == 0:
                    break
                cut[call] = count
                before = place.custody('payload', 'list').returncode
                place.custody('runs', 'gc', check=0)
                begun = [r for r in place.log('--run', run_id) if r['type'] == 'erasure']
                if not begun:  # killed before anything was noted: then nothing has happened
                    assert (place.home / 'keys/scopes' / run_id).stat().st_size == 32, (call, count)
                    place.erase(run_id)
                    continue
                assert begun[-1]['outcome'] == 'ok' and begun[-1]['reason'] == 'cut-off', (call, count, begun)
                assert not (place.home / 'keys/scopes' / run_id).exists(), (call, count, before)
                assert not (place.home / 'keys/erasing' / run_id).exists(), (call, count)
                assert 'was erased before' in place.erase(run_id).stdout
        assert set(cut) == {'sendto', 'fsync', 'renameat', 'pwrite64', 'unlinkat'}, cut
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def what_was_kept_long_enough_is_erased():
    place = Place()
    try:
        old, young = place.say(), place.say()
        then = time.time() - 91 * 86400
        os.utime(place.home / 'keys/scopes' / old, (then, then))
        done = json.loads(place.custody('runs', 'gc', '--json', check=0).stdout)
        assert done['erased'] == 1, done
        assert {row['state'] for row in place.payloads(old)} == {'erased'}
        assert {row['state'] for row in place.payloads(young)} == {'kept'}
        records = place.log('--type', 'erasure')
        assert [(r['reason'], r['outcome'], r['object']) for r in records] == [
            ('retention', outcome, {'scope': old}) for outcome in ('intended', 'ok')], records
        assert "the policy's retention" in place.show(old, place.payloads(old)[0]['index'], check=1).stderr
        os.utime(place.home / 'keys/scopes' / young, (then, then))
        place.run('/bin/sh', '-c', 'true', check=2)  # any run looks, too
        assert {row['state'] for row in place.payloads(young)} == {'erased'}
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def close_payloads(place, script, is_time):
    """A run whose gateway can make no payload any more once `is_time(RUN)`; gives its id and what it said."""
    if os.geteuid() != 0:
        raise Skip('the gateway is the same user as the owner of its folder here')
    process = place.start([place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--json', '--', '/bin/sh',
                           '-c', script], stdout=subprocess.DEVNULL, stderr=(place.root / 'said').open('w'))
    run_id = place.wait_for_run()
    deadline = time.monotonic() + 20
    while not is_time(run_id):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.chown(place.home / 'payloads' / run_id, 0, 0)  # the gateway is another user
    process.wait(60)
    return run_id, (place.root / 'said').read_text()


def an_answer_that_cannot_be_kept_is_said_and_committed_to():
    place = Place(script={'version': 1, 'turns': [{**SCRIPT['turns'][0], 'delay_ms': 3000}]})
    try:
        run_id, seen = close_payloads(place, place.call('onprem'),
                                      lambda run_id: place.log('--run', run_id, '--type', 'model.intent'))
        assert '[status 200]' in seen and ANSWER in seen, seen
        assert [r['reason'] for r in place.log('--run', run_id, '--type', 'refused')] == ['payload-lost']
        outcome, = place.log('--run', run_id, '--type', 'model.outcome')
        assert outcome['outcome'] == 'ok' and 'payload' not in outcome['object'], outcome
        assert [(row['kind'], row['state']) for row in place.payloads(run_id)] == [
            ('prompt', 'kept'), ('answer', 'committed'), ('output', 'kept')]
        answer = place.root / 'answer'
        answer.write_text(seen[seen.index('{"id"'):seen.index('\n[status')])
        place.prove(outcome['index'], 'answer', '--value', answer)
        assert place.verify_proof('answer', '--value', answer).returncode == 0
    finally:
        place.close()


def what_an_agent_printed_is_kept_shown_redacted_and_erased():
    place = Place()
    try:
        half = CARD[:8]
        done = place.run('/bin/sh', '-c', f'printf "card number: %s%s\\033[2J\\n" {half} {CARD[8:]}; echo to-error >&2; yes | head -c 100000',
                         check=2)
        rows = [row for row in place.payloads(done['run']) if row['kind'] == 'output']
        assert [row['state'] for row in rows] == ['kept'], rows
        shown = place.show(done['run'], str(rows[0]['index'])).stdout
        assert 'card number: [pan]^[[2J' in shown and 'to-error' in shown and CARD not in shown, shown[:300]
        assert shown.count('y\n') == 50000, len(shown)
        raw = place.custody('payload', 'show', done['run'], str(rows[0]['index']), '--raw', check=0).stdout
        assert CARD in raw and '\033[2J' in raw, raw[:300]
        kept = [r for r in place.log('--run', done['run']) if r['type'] == 'agent.output']
        assert kept[0]['outcome'] == 'ok' and kept[0]['object']['size'] == len(raw.encode()), kept
        place.erase(done['run'])
        assert 'erased' in place.show(done['run'], str(rows[0]['index']), check=1).stderr
        flood = place.run('/bin/sh', '-c', 'yes | head -c 20000000', check=2, timeout=120)
        cut = [r for r in place.log('--run', flood['run']) if r['type'] == 'agent.output']
        assert cut[0]['outcome'] == 'cut' and cut[0]['object']['size'] == 16 << 20, cut
    finally:
        place.close()


def a_call_whose_prompt_cannot_be_kept_is_refused():
    place = Place()
    try:
        run_id, seen = close_payloads(place, 'sleep 2; ' + place.call('onprem'), lambda run_id: True)
        assert '[status 400]' in seen and 'so it is refused' in seen, seen
        assert place.asked() == [], 'nothing has reached the model'
        assert [r['reason'] for r in place.log('--run', run_id, '--type', 'refused')] == ['ledger']
        assert place.log('--run', run_id, '--type', 'model.intent') == []
    finally:
        place.close()


if __name__ == '__main__':
    main([what_an_agent_printed_is_kept_shown_redacted_and_erased, nothing_that_was_said_stands_in_the_state_folder,
          all_of_it_opens_to_whoever_has_the_state_folder,
          an_intent_names_a_payload_that_is_there_and_no_digest_of_its_text,
          another_runs_user_reaches_no_payload_and_no_key,
          without_retention_there_are_commitments_only_and_they_open,
          a_proof_opens_one_value_and_says_when_it_does_not_fit,
          a_payload_that_is_not_what_was_recorded_is_not_shown,
          after_erasure_nothing_opens_and_every_proof_says_what_it_said,
          a_key_that_comes_back_is_erased_again,
          a_run_under_way_and_a_held_one_are_not_erased,
          an_erasure_that_was_cut_off_anywhere_is_finished,
          what_was_kept_long_enough_is_erased,
          an_answer_that_cannot_be_kept_is_said_and_committed_to,
          a_call_whose_prompt_cannot_be_kept_is_refused])
