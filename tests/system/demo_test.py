#!/usr/bin/env python3
"""`custody demo` as a person starts it: the whole story, what it proves, and that nothing stays behind."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, installed_engines, main, run

# The values of the sample repository, in parts as in the program.
CARD = '4532' + '1007' + '89314462'
TOKEN = 'ghp_' + 'R4kV9sQ2mZ7xW1tB' + '8nY3cL6hJ0pF5dGaUeTo'
SSN = '518' + '-43-' + '7206'
FAMILY = 'Okon' + 'kwo' + '-Reyes'
SECONDS_MAX = 60


def traces(word):
    """Folders in /tmp, mounts and processes that have `word` in their name, command or environment."""
    text = word.decode()
    found = [str(path) for path in pathlib.Path('/tmp').glob('custody-demo-*') if text in str(path)]
    found += [line for line in open('/proc/self/mountinfo') if text in line]
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            seen = open(f'/proc/{pid}/environ', 'rb').read() + open(f'/proc/{pid}/cmdline', 'rb').read()
        except OSError:
            continue
        if int(pid) != os.getpid() and word in seen:
            found.append(f'process {pid}')
    return found


class Stage:
    """A folder that stands for /home and a count of what is in /tmp, mounted and running before and after."""

    def __init__(self):
        self.before = set(traces(b'custody-demo-'))
        self.home = pathlib.Path(tempfile.mkdtemp(prefix='custody-test-'))
        self.env = {'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': str(self.home), 'LANG': 'C.UTF-8',
                    'CUSTODY_HOME': str(self.home / 'own')}

    def demo(self, *words, env=None, **more):
        return run([CUSTODY, 'demo', *words], env={**self.env, **(env or {})}, **more)

    def close(self):
        found = {*traces(str(self.home).encode()), *traces(b'custody-demo-')} - self.before
        shutil.rmtree(self.home)
        assert not found, f'left behind: {found}'


def part(story, title):
    """The lines below one heading."""
    assert f'== {title}' in story, (title, story[-3000:])
    return story.split(f'== {title}', 1)[1].split('\n== ', 1)[0]


def the_whole_story_holds_in_a_minute_and_leaves_nothing():
    stage = Stage()
    began = time.monotonic()
    done = stage.demo(timeout=SECONDS_MAX, check=0)
    took = time.monotonic() - began
    story = done.stdout
    assert took < SECONDS_MAX, took
    assert 'SCRIPTED' in story and done.stderr == '', done.stderr
    assert '\033' not in story, 'escapes where there is no terminal'
    found = part(story, 'Keys and ledger')
    for path in ('.env', 'config/test-cards.csv', 'samples/admission.hl7', 'samples/patient.json'):
        assert path in found, (path, found)
    seen = part(story, 'What an agent will see')
    assert 'holder,card,expires,result' in seen and CARD not in seen and 'deny' in seen, seen
    work = part(story, 'The agent works')
    assert 'FAIL a charge across the deductible' in work or 'FAIL a charge below' in work, work
    assert '8 cases, 0 failed' in work and '.env: No such file' in work, work
    ledger = part(story, 'What was refused')
    refused, redacted, sent = (ledger.split('--type ' + word, 1)[1].split('$ custody', 1)[0]
                               for word in ('file.refused', 'file.redacted', 'model.outcome'))
    assert ' .env ' in refused and ' fixtures/patients ' in refused, refused
    for path in ('samples/admission.hl7', 'samples/patient.json', 'config/test-cards.csv'):
        assert path in redacted, (path, redacted)
    assert ' config/note.txt ' in refused and 'paths.write.allow' in refused, refused
    assert sent.count('scripted-1') == 7, sent
    assert part(story, 'Everything that the model got').count('not in it') == 8
    diff = part(story, 'The change')
    assert '+    share.coinsurance = (charge - share.deductible)' in diff and 'CHANGELOG.md' in diff, diff
    own = part(story, 'Approval: not by')
    assert '--as sam' in own and 'another person approves it' in own, own
    landing = part(story, 'Approval by another human')
    assert '--as maria' in landing and 'change land' in landing, landing
    kept, gone = part(story, 'What was said is kept'), part(story, 'Its key is destroyed')
    for kind, count in (('ticket', 1), ('prompt', 7), ('answer', 7), ('diff', 1)):
        assert kept.count(f'  {kind}') == gone.count(f'  {kind}') == count, (kind, kept, gone)
    assert kept.count(' kept ') == gone.count(' erased ') == 17 and 'is erased: its key and 17 payloads' in gone, gone
    assert 'The ledger holds' in part(story, 'The ledger, verified')
    assert 'All of it held' in story
    for value in (CARD, TOKEN, SSN, FAMILY):
        assert value not in story, 'a sensitive value is shown'
    stage.close()


def json_says_what_became_of_each_value_and_keep_keeps_the_folder():
    stage = Stage()
    done = stage.demo('--json', '--keep', timeout=SECONDS_MAX, check=0)
    result = json.loads(done.stdout)
    folder = pathlib.Path(result['folder'])
    try:
        assert result['result'] == 'holds' and result['engine'] == 'custody-agent', result
        outcomes = [value['outcome'] for value in result['values']]
        assert outcomes.count('denied') == 3 and outcomes.count('replaced') == 5, result
        env = {**stage.env, 'CUSTODY_HOME': str(folder / 'home')}
        changes = json.loads(run([CUSTODY, 'change', 'list', '--json'], env=env, cwd=folder / 'billing', check=0).stdout)
        assert [(row['id'], row['state'], row['files']) for row in changes] == [(result['change'], 'landed', 2)], changes
        assert json.loads(run([CUSTODY, 'verify', '--json'], env=env, check=0).stdout)['result'] == 'holds'
        make = run(['make', '-s', 'test'], cwd=folder / 'billing', check=0)
        assert '8 cases, 0 failed' in make.stdout
        findings = json.loads(run([CUSTODY, 'scan', '--json', '.'], env=env, cwd=folder / 'billing', check=0).stdout)
        classes = {(row['path'].removeprefix('./'), row['class']) for row in findings}
        assert {('.env', 'secret'), ('config/test-cards.csv', 'pan'), ('samples/admission.hl7', 'phi'),
                ('samples/patient.json', 'phi'), ('fixtures/patients/admitted.csv', 'pii')} <= classes, classes
        run([CUSTODY, 'policy', 'check'], env=env, cwd=folder / 'billing', check=0)
    finally:
        shutil.rmtree(folder)
        time.sleep(1)  # the ledger that was asked just now lingers for half a second
    stage.close()


def the_whole_story_in_a_namespace_with_loopback_alone():
    stage = Stage()
    done = run(['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$0" demo', CUSTODY], env=stage.env,
               timeout=SECONDS_MAX)
    assert done.returncode == 0 and 'All of it held' in done.stdout, (done.stdout[-2000:], done.stderr)
    stage.close()


def the_whole_story_with_codex():
    engines = installed_engines('codex')
    stage = Stage()
    story = stage.demo('--agent', 'codex', env={'CUSTODY_HOME': str(engines)}, timeout=180, check=0).stdout
    assert '--engine codex' in story and part(story, 'Everything that the model got').count('not in it') == 8
    assert 'All of it held' in story
    stage.close()


def an_engine_that_is_not_there_ends_it_with_its_name():
    stage = Stage()
    for words in (('--agent', 'codex'), ('--engine', 'no-such')):
        done = stage.demo(*words, timeout=SECONDS_MAX)
        assert done.returncode == 2 and words[1] in done.stdout, (done.returncode, done.stdout[-500:], done.stderr)
    stage.close()


def a_signal_at_any_moment_leaves_nothing():
    caught = 0
    for number, after in ((signal.SIGINT, 0.05), (signal.SIGINT, 0.2), (signal.SIGTERM, 0.4), (signal.SIGHUP, 0.6)):
        stage = Stage()
        process = subprocess.Popen([CUSTODY, 'demo'], env=stage.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(after)
        process.send_signal(number)
        output = process.communicate(timeout=30)[0]
        # Before it listens, or after the end, the signal is the kernel's or nobody's.
        assert process.returncode in (128 + number, -number, 0), (after, process.returncode, output[-500:])
        caught += process.returncode == 128 + number
        stage.close()
    assert caught > 0, 'no signal came while it ran'


def who_does_not_listen_does_not_break_it():
    stage = Stage()
    process = subprocess.Popen([CUSTODY, 'demo'], env=stage.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=SECONDS_MAX) in (0, 2), errors
    stage.close()


main([the_whole_story_holds_in_a_minute_and_leaves_nothing, the_whole_story_in_a_namespace_with_loopback_alone,
      json_says_what_became_of_each_value_and_keep_keeps_the_folder, the_whole_story_with_codex,
      an_engine_that_is_not_there_ends_it_with_its_name, a_signal_at_any_moment_leaves_nothing,
      who_does_not_listen_does_not_break_it])
