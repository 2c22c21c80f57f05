#!/usr/bin/env python3
"""What people's tools depend on: exit codes, JSON shapes, help, completion, the state folder (DESIGN.md section 6)."""
import json
import os
import re
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, TOKEN, main, run

ID = {'run': r'^r-\d{8}-\d{6}-[0-9a-f]{4}$', 'change': r'^c-\d{8}-\d{6}-[0-9a-f]{4}$', 'oid': r'^[0-9a-f]{40}$'}
STATES = {'ready', 'blocked', 'approved', 'landed', 'rejected', 'void'}
TYPES = {'run.started', 'run.ended', 'canary', 'file.read', 'file.written', 'file.refused', 'file.redacted', 'exec',
         'refused', 'model.intent', 'model.outcome', 'egress', 'change.made', 'change.checked', 'approval.given',
         'approval.void', 'change.landed', 'policy.loaded', 'key.rotated', 'heartbeat', 'erasure', 'breakglass'}


def verbs():
    return re.findall(r'(?m)^  ([a-z]+(?:[ -][a-z-]+)*) {2,}\S', run([CUSTODY, 'help'], check=0).stdout)


def has(value, *keys):
    assert set(keys) <= set(value), (set(keys) - set(value), value)


def every_verb_has_help_and_a_man_page():
    assert len(verbs()) > 15, verbs()
    for verb in verbs():
        said = run([CUSTODY, *verb.split(), '--help'], check=0)
        assert said.stdout.startswith('custody ' + verb) and 'Exit: 0 yes, 1 no' in said.stdout, (verb, said)
        assert said.stderr == '', (verb, said)
        if verb != 'help':  # its --man writes all of them
            page = run([CUSTODY, *verb.split(), '--man'], check=0).stdout
            assert page.startswith('.TH CUSTODY-') and '.SH SYNOPSIS' in page and '.SH DESCRIPTION' in page, (verb, page)
    assert run([CUSTODY, '--man'], check=0).stdout.startswith('.TH CUSTODY 1')
    assert run([CUSTODY, '--help'], check=0).stdout == run([CUSTODY, 'help'], check=0).stdout
    assert re.match(r'custody \d+\.\d+', run([CUSTODY, '--version'], check=0).stdout)


def completion_knows_every_verb():
    for shell in ('bash', 'zsh', 'fish'):
        script = run([CUSTODY, '--completion', shell], check=0).stdout
        missing = [word for verb in verbs() for word in verb.split() if word not in script]
        assert missing == [] and 'ignore-dirty' in script, (shell, missing)
        try:
            run([shell, '-n'], stdin=script, check=0)
        except FileNotFoundError:
            continue  # that shell is not installed; its script is checked for words only
    ask = run([CUSTODY, '--completion', 'bash'], check=0).stdout + '''
COMP_WORDS=(custody run --ig); COMP_CWORD=2; _custody; echo "${COMPREPLY[*]}"
COMP_WORDS=(custody doc); COMP_CWORD=1; _custody; echo "${COMPREPLY[*]}"
COMP_WORDS=(custody hol); COMP_CWORD=1; _custody; echo "${COMPREPLY[*]}"
COMP_WORDS=(custody hold ''); COMP_CWORD=2; _custody; echo "${COMPREPLY[*]}"
COMP_WORDS=(custody witness i); COMP_CWORD=2; _custody; echo "${COMPREPLY[*]}"'''
    assert run(['bash'], stdin=ask, check=0).stdout.split() == [
        '--ignore-dirty', 'doctor', 'hold', '--help', 'place', 'release', 'list', 'init']
    assert run([CUSTODY, '--completion', 'tcsh'], check=3).stderr.strip().endswith('bash, zsh or fish')


def wrong_use_is_exit_3_and_says_where_to_look():
    assert run([CUSTODY]).returncode == 3
    nothing = run([CUSTODY, 'frobnicate'], check=3)
    assert 'no such verb: frobnicate' in nothing.stderr and '--help' in nothing.stderr
    for verb in verbs():
        bad = run([CUSTODY, *verb.split(), '--no-such-option'], check=3)
        assert f'custody {verb}: no such option: --no-such-option' in bad.stderr and f'custody {verb} --help' in bad.stderr, bad
        if verb != 'scan':  # takes any number of paths
            assert run([CUSTODY, *verb.split(), *['x'] * 10]).returncode == 3, verb
    for words, said in ((('run', '--repo'), 'a value is missing behind --repo'), (('show',), 'missing: RUN'),
                        (('run', '--quiet=yes'), 'takes no value'),
                        (('log', '--follow', '--until', '1h'), 'one of them'),
                        (('verify', '--archive', '/none'), 'no such folder')):
        assert said in run([CUSTODY, *words], check=3).stderr, words


def help_writes_options_as_they_are_typed_and_names_what_must_be_there():
    for verb in verbs():
        said = run([CUSTODY, *verb.split(), '--help'], check=0).stdout
        rows = [said.splitlines()[0], *re.findall(r'(?m)^  -\S+', said)]
        single = set(re.findall(r'(?:  |[ [])(-[a-z]+)', '\n'.join(rows))) - {'-it'}
        assert single == set(), (verb, single)
        page = run([CUSTODY, *verb.split(), '--man'], check=0).stdout if verb != 'help' else ''
        assert not re.search(r'(?m)^\.B \\-(?!\\-|it)', page), verb
    synopsis = run([CUSTODY, 'hold', 'release', '--help'], check=0).stdout.splitlines()[0]
    assert synopsis == 'custody hold release --as PERSON --key FILE --reason WORD [--json] ID', synopsis
    missing = run([CUSTODY, 'hold', 'release', 'h-1', '--as', 'maria', '--reason', 'settled'], check=3)
    assert "missing: --key FILE: the person's private SSH key" in missing.stderr, missing


def a_verb_without_its_noun_says_which_there_are():
    for verb in {words.split()[0] for words in verbs()} - set(verbs()):
        asked = run([CUSTODY, verb, '--help'], check=0)
        nouns = re.findall(r'(?m)^  ' + verb + r' ([a-z-]+)', asked.stdout)
        assert nouns and asked.stderr == '', asked
        for words in ((verb,), (verb, 'frobnicate')):
            wrong = run([CUSTODY, *words], check=3)
            assert wrong.stdout == '' and all(f'{verb} {noun}' in wrong.stderr for noun in nouns), wrong


def an_answer_that_does_not_get_out_is_no_yes():
    place = Place()
    try:
        for words in (('help',), ('log',), ('log', '--json'), ('verify',), ('verify', '--json'), ('key', 'show')):
            with open('/dev/full', 'w') as full:
                done = subprocess.run([CUSTODY, *words], env=place.env, cwd=place.repo, stdout=full, stderr=subprocess.PIPE, text=True)
            assert done.returncode == 2 and 'write the answer' in done.stderr, (words, done)
    finally:
        place.close()


def a_state_folder_that_is_not_there_is_said():
    place = Place()
    try:
        elsewhere = {'CUSTODY_HOME': str(place.root / 'none')}
        for words in (('run', '--', 'true'), ('runs',), ('show', 'r-1'), ('change', 'list'), ('log',)):
            done = place.custody(*words, '--json', env=elsewhere)
            assert done.returncode == 3 and 'custody init' in done.stderr, done
        assert not (place.root / 'none').exists(), 'asking made a state folder'
    finally:
        place.close()


def what_is_printed_as_json_has_its_shape():
    place = Place(files={'README': 'x\n', 'src/conf.env': f'GITHUB_TOKEN={TOKEN}\n'})
    try:
        done = place.run('/bin/sh', '-c', 'cat src/conf.env README; echo x > a.txt; echo x > .gitmodules; true', check=0)
        has(done, 'run', 'change', 'state', 'reasons', 'agent_exit')
        assert re.match(ID['run'], done['run']) and re.match(ID['change'], done['change']), done
        assert (done['state'], done['reasons'], done['agent_exit']) == ('ready', [], 0), done
        assert len(done['stdout'].splitlines()) == 1, 'more than one document'
        doctor = json.loads(place.custody('doctor', '--json', check=0).stdout)
        assert doctor['enforceable'] is True and [p['id'] for p in doctor['promises']] == list(range(1, 13)), doctor
        for promise in doctor['promises']:
            has(promise, 'id', 'status', 'mechanism', 'fix')
            assert promise['status'] in ('enforced', 'degraded', 'missing') and promise['mechanism'], promise
            assert promise['fix'] or promise['status'] == 'enforced', promise
        change, = json.loads(place.custody('change', 'list', '--json', check=0).stdout)
        has(change, 'id', 'run', 'state', 'base', 'head', 'tree', 'files', 'lines', 'reasons')
        assert change['state'] in STATES and change['files'] == 1 and isinstance(change['reasons'], list), change
        assert all(re.match(ID['oid'], change[key]) for key in ('base', 'head', 'tree')), change
        verify = place.verify()
        has(verify, 'result', 'size', 'root', 'problems')
        assert verify['result'] == 'holds' and verify['problems'] == [] and verify['size'] > 10, verify
        shown = json.loads(place.custody('show', done['run'], '--json', check=0).stdout)
        listed = json.loads(place.custody('runs', '--json', check=0).stdout)
        assert shown.pop('breakglass') == [] and shown.pop('cell')['mode'] == 'namespaces/fuse', shown
        assert shown.pop('changes') == [{'change': done['change'], 'state': 'ready'}], shown
        told = place.custody('show', done['run'], check=0).stdout
        assert f'\nchange      {done["change"]}, ready\n' in told and 'because' not in told, told
        assert shown.pop('redacted') == {'files': 1, 'values': 1}, shown
        assert listed == [shown] and shown['run'] == done['run'] and shown['requester'] == 'tom', (listed, shown)
        log_has_its_shape(place, done['run'])
    finally:
        place.close()


def log_has_its_shape(place, run_id):
    records = place.log()
    assert [r['index'] for r in records] == list(range(len(records)))
    for record in records:
        has(record, 'index', 'time', 'type')
        assert re.match(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$', record['time']), record
        assert record['type'] in TYPES or record['type'].startswith(('ledger.', 'cell.', 'change.', 'file.', 'reads.', 'agent.')), record
    own = place.log('--run', run_id)
    assert {r['run'] for r in own} == {run_id} and all(r['on_behalf_of'] == 'tom' for r in own if r['type'].startswith('run.'))
    refused, = [r for r in own if r['type'] == 'file.refused' and r['object'].get('path') == '.gitmodules'][:1]
    has(refused, 'agent', 'object', 'rule', 'verdict', 'outcome')
    assert [r['type'] for r in place.log('--run', run_id, '--type', 'run.ended')] == ['run.ended']
    assert TOKEN not in json.dumps(records)


def scan_says_where_and_never_what():
    place = Place(files={'README': 'x\n', 'conf.env': f'A=1\nGITHUB_TOKEN={TOKEN}\n'})
    try:
        done = place.custody('scan', '--format', 'json', 'conf.env', check=0)
        found = json.loads(done.stdout)[0]
        has(found, 'path', 'line', 'start', 'end', 'class', 'rule', 'confidence')
        assert (found['line'], found['class']) == (2, 'secret') and found['confidence'] in ('high', 'medium', 'low'), found
        assert (place.repo / 'conf.env').read_bytes()[found['start']:found['end']].decode() == TOKEN
        assert TOKEN not in done.stdout + done.stderr + place.custody('scan', 'conf.env').stdout
        assert place.custody('scan', '--fail', 'conf.env').returncode == 1
        assert place.custody('scan', '--fail', 'README').returncode == 0
        assert place.custody('scan', '/nowhere').returncode in (2, 3)
        sarif = json.loads(place.custody('scan', '--format', 'sarif', 'conf.env', check=0).stdout)
        assert sarif['version'] == '2.1.0' and len(sarif['runs'][0]['results']) == 1, sarif
        assert 'text, json or sarif' in place.custody('scan', '--format', 'nope', 'README', check=3).stderr
    finally:
        place.close()


def the_state_folder_has_its_layout_and_modes():
    place = Place()
    try:
        place.run('/bin/sh', '-c', 'echo x > a.txt', check=0)
        assert place.verify()['result'] == 'holds'
        home = place.home
        for name in ('ledger/checkpoint', 'ledger/tile', 'keys/ledger.vkey', 'store.db', 'runs', 'policy.yaml'):
            assert (home / name).exists(), name
        assert (home / 'ledger/checkpoint').read_text().split('\n')[1].isdigit(), 'not a C2SP checkpoint'
        assert list((home / 'ledger/tile/0').iterdir()) and list((home / 'ledger/tile/entries').iterdir())
        origin = (home / 'ledger/checkpoint').read_text().split('\n')[0]
        assert (home / 'keys/ledger.vkey').read_text().startswith(origin + '+')
        for path in (home / 'keys/ledger.key', home / 'store.db', home / 'ledger/lock'):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        for at, folders, files in os.walk(home):
            for name in folders + files:
                mode = os.lstat(os.path.join(at, name)).st_mode
                assert not mode & (stat.S_IWGRP | stat.S_IWOTH), (at, name, oct(mode))
    finally:
        place.close()


def a_broken_policy_names_line_and_column():
    place = Place()
    cases = (('version: 1\nphase: regulated\nfoo: 2\n', 'policy.yaml:3:6: unknown key `foo`'),
             ('version: 1\nphase: [\n', 'policy.yaml:3:1:'), ('version: 1\nphase: sideways\n', 'policy.yaml:2:8:'),
             ('version: 1\nversion: 1\n', 'policy.yaml:2:'), ('version: 1\nresources: { pids: many }\n', 'policy.yaml:2:20:'))
    try:
        place.custody('policy', 'check', check=0)
        for text, where in cases:
            (place.home / 'policy.yaml').write_text(text)
            done = place.custody('policy', 'check')
            assert done.returncode == 3 and where in done.stderr, (text, done.returncode, done.stderr)
    finally:
        place.close()


def verify_tells_tampering_from_what_is_missing():
    place = Place()
    try:
        place.run('/bin/sh', '-c', 'echo x > a.txt', check=0)
        holds = place.custody('verify', check=0)
        assert holds.stdout.startswith('The ledger holds') and holds.stderr == '', holds
        assert place.left_behind() == []
        entries = max((p for p in (place.home / 'ledger/tile/entries').rglob('*') if p.is_file()), key=lambda p: int(p.name))
        good = entries.read_bytes()
        entries.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
        broken = place.verify(check=1)
        assert broken['result'] != 'holds' and broken['problems'], broken
        entries.unlink()
        assert place.verify(check=2)['problems']
    finally:
        place.close()


def doctor_and_run_exit_4_where_no_cell_can_be_made():
    place = Place()
    without = ['unshare', '--user', '--map-root-user', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh']
    try:
        if run([*without, 'true']).returncode != 0:
            raise Skip('this host does not let a namespace without further user namespaces be made')
        done = run([*without, CUSTODY, 'doctor', '--json'], env=place.env, check=4)
        report = json.loads(done.stdout)
        assert report['enforceable'] is False, report
        missing = [p for p in report['promises'] if p['status'] == 'missing']
        assert {3, 4, 6} <= {p['id'] for p in missing} and all(p['fix'] for p in missing), missing
        text = run([*without, CUSTODY, 'doctor'], env=place.env, check=4)
        assert 'max_user_namespaces' in text.stdout, text
        ran = run([*without, CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--json', '--', 'true'], env=place.env)
        result = json.loads(ran.stdout)
        assert ran.returncode == 4 and result['agent_exit'] is None and 'doctor' in ran.stderr, ran
    finally:
        place.close()


if __name__ == '__main__':
    main([every_verb_has_help_and_a_man_page, completion_knows_every_verb, wrong_use_is_exit_3_and_says_where_to_look,
          help_writes_options_as_they_are_typed_and_names_what_must_be_there, a_verb_without_its_noun_says_which_there_are,
          an_answer_that_does_not_get_out_is_no_yes,
          a_state_folder_that_is_not_there_is_said, what_is_printed_as_json_has_its_shape, scan_says_where_and_never_what,
          the_state_folder_has_its_layout_and_modes, a_broken_policy_names_line_and_column,
          verify_tells_tampering_from_what_is_missing, doctor_and_run_exit_4_where_no_cell_can_be_made])
