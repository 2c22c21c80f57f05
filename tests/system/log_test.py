#!/usr/bin/env python3
"""
custody log over 200,000 records: every filter against a plain reading of the same bundles by a program that shares no
line with custody, and whatever may have happened to the index.
"""
import fnmatch
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time

from harness import CUSTODY, Place, main, run

MAKE = os.environ['CUSTODY_MAKE_RECORDS']
COUNT = 200_000
FEWER = 40_000  # enough for an index
SEED = 20260101
made = {}


def ledger_of(count):
    """A state folder with so many records, made once; tests work on copies."""
    if count not in made:
        root = pathlib.Path(tempfile.mkdtemp(prefix='custody-log-'))
        root.chmod(0o755)
        run([MAKE, root / 'home', count], timeout=600, check=0)
        made[count] = (root, root / 'home', list(records_of(root / 'home' / 'ledger')))
    return made[count][1:]


def records_of(ledger):
    """Every record of a shard, from its entry bundles: tlog-tiles, read here again."""
    size = int((ledger / 'checkpoint').read_text().splitlines()[1])
    for number in range((size + 255) // 256):
        groups = f'{number % 1000:03}'
        number //= 1000
        while number:
            groups = f'x{number % 1000:03}/{groups}'
            number //= 1000
        path = ledger / 'tile/entries' / groups
        if not path.exists():
            path = path.with_name(f'{path.name}.p') / str(size % 256)
        data, at = path.read_bytes(), 0
        while at < len(data):
            length, = struct.unpack_from('>H', data, at)
            yield json.loads(data[at + 2:at + 2 + length])
            at += 2 + length


def copy_of(home):
    root = pathlib.Path(tempfile.mkdtemp(prefix='custody-log-'))
    root.chmod(0o755)
    shutil.copytree(home, root / 'home')
    return root / 'home'


def drop(home):
    shutil.rmtree(home.parent)


def like(text, pattern):
    return text is not None and fnmatch.fnmatchcase(text, pattern)


def holds(record, question):
    thing = record.get('object', {})
    t_us = record['t_us']
    return all((
        'run' not in question or record.get('run') == question['run'],
        'agent' not in question or like(record.get('agent'), question['agent']),
        'path' not in question or like(thing.get('path'), question['path']) or like(thing.get('path_to'), question['path']),
        'type' not in question or like(record['type'], question['type']),
        'class' not in question or record.get('class') == question['class'],
        'verdict' not in question or record.get('verdict') == question['verdict'],
        'outcome' not in question or record.get('outcome') == question['outcome'],
        'change' not in question or thing.get('change') == question['change'],
        'person' not in question or question['person'] in (thing.get('person'), thing.get('second'), record.get('on_behalf_of')),
        'since' not in question or t_us >= seconds_of(question['since']) * 1_000_000,
        'until' not in question or t_us < seconds_of(question['until']) * 1_000_000))


def seconds_of(text):
    import calendar
    return calendar.timegm(time.strptime(text, '%Y-%m-%dT%H:%M:%SZ'))


def answer(records, question):
    found = [index for index, record in enumerate(records) if holds(record, question)]
    return found[-question['limit']:] if 'limit' in question else found


def ask(home, question, *more, check=0, **how):
    words = [word for name, value in question.items() for word in (f'--{name}', value)]
    done = run([*how.pop('prefix', ()), how.pop('program', CUSTODY), 'log', *words, *more],
               env={'CUSTODY_HOME': str(home), 'PATH': '/usr/bin:/bin'}, check=check, **how)
    said = ''.join(line for line in done.stderr.splitlines(True) if line != 'no records\n')
    return [int(line.split(None, 1)[0]) for line in done.stdout.splitlines()], said


def lines_of(home, question, *more):
    """The same as JSON."""
    words = [word for name, value in question.items() for word in (f'--{name}', value)]
    done = run([CUSTODY, 'log', '--json', *words, *more], env={'CUSTODY_HOME': str(home)}, check=0)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def questions(records, count):
    """Of every filter alone and of some together, about what there is and what there is not."""
    draw = random.Random(SEED)
    some = lambda: draw.choice(records)

    def path():
        whole = next(r['object']['path'] for r in iter(some, None) if 'path' in r.get('object', {}))
        return draw.choice((whole, whole.rsplit('/', 1)[0] + '/*', '*.' + whole.rsplit('.', 1)[1], 'fixtures/*', '*[02468].c',
                            whole[:-3] + '?' * 3, 'no/such*'))

    def moment():
        return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(some()['t_us'] // 1_000_000))

    kinds = {
        'run': lambda: draw.choice((some()['run'], 'r-none')),
        'agent': lambda: draw.choice((some()['agent'], 'planner@*', '*#' + some()['run'], '*@repository07#*', 'nobody@*')),
        'path': path,
        'type': lambda: draw.choice(('file.read', 'file.*', 'model.outcome', 'approval.given', 'change.*', '*')),
        'class': lambda: draw.choice(('phi', 'pan', 'secret', 'code', 'opaque')),
        'verdict': lambda: draw.choice(('allow', 'redact', 'deny')),
        'outcome': lambda: draw.choice(('ok', 'refused', 'intended', 'void')),
        'change': lambda: next(r['object']['change'] for r in iter(some, None) if 'change' in r.get('object', {})),
        'person': lambda: draw.choice(('maria', 'grace', 'nobody')),
        'since': moment, 'until': moment,
        'limit': lambda: draw.choice((1, 2, 20, 300, 5000)),
    }
    for name in kinds:
        yield {name: kinds[name]()}
    for _ in range(count):
        yield {name: kinds[name]() for name in draw.sample(sorted(kinds), draw.choice((2, 2, 3, 4)))}


def every_filter_says_what_a_plain_reading_says():
    home, records = ledger_of(COUNT)
    home = copy_of(home)
    try:
        assert ask(home, {'limit': 1}) == ask(home, {'limit': 1}, '--no-index')  # the first one makes the index
        assert (home / 'log.db').stat().st_size > 100_000
        seen = 0
        for question in questions(records, 30):
            wanted = answer(records, question)
            got, said = ask(home, question)
            assert got == wanted, f'{question}: {len(got)} instead of {len(wanted)}'
            assert said == '', said
            seen += len(wanted)
        assert seen > 100_000, seen
        for question in questions(records, 3):
            got, said = ask(home, question, '--no-index')
            assert got == answer(records, question), question
    finally:
        drop(home)


def what_is_printed_is_the_record():
    home, records = ledger_of(COUNT)
    lines, _ = lines_of(home, {'type': 'model.outcome', 'limit': 3}, '--no-index')
    for line in lines:
        record = records[line['index']]
        for name in ('v', 'salt', 'prev', 't_us'):
            assert name in record and name not in line
        assert {k: v for k, v in line.items() if k not in ('index', 'shard', 'time')} == {
            k: v for k, v in record.items() if k not in ('v', 'salt', 'prev', 't_us')}
        assert line['shard'] == 1 and line['time'][:19] == time.strftime(
            '%Y-%m-%dT%H:%M:%S', time.gmtime(record['t_us'] // 1_000_000))


QUESTION = {'verdict': 'deny', 'since': '2025-05-01T00:00:00Z'}


def sql(home, text):
    database = sqlite3.connect(home / 'log.db')
    database.execute(text)
    database.commit()
    database.close()


def cut(home, part):
    size = (home / 'log.db').stat().st_size
    os.truncate(home / 'log.db', int(size * part))


def flip(home, at):
    with open(home / 'log.db', 'r+b') as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x10]))


def put(home, content):
    (home / 'log.db').write_bytes(content)


def an_index_that_is_wrong_is_said_and_made_anew():
    home, records = ledger_of(FEWER)
    wanted = answer(records, QUESTION)
    home = copy_of(home)
    other = copy_of(ledger_of(FEWER + 1)[0])
    cases = (
        ('deleted', lambda: (home / 'log.db').unlink(), False),
        ('empty', lambda: cut(home, 0), True),
        ('half', lambda: cut(home, 0.5), True),
        ('no database', lambda: put(home, b'x' * 100_000), True),
        ('another version', lambda: sql(home, 'PRAGMA user_version = 7'), True),
        ('other fields', lambda: sql(home, "UPDATE about SET names = 'type run'"), True),
        ('first page', lambda: flip(home, 30), None),
        ('number of tables', lambda: flip(home, 104), True),
        ('another ledger', lambda: shutil.copy(other / 'log.db', home / 'log.db'), True),
        ('no shard', lambda: sql(home, 'DELETE FROM shard'), True),
        ('another root', lambda: sql(home, "UPDATE shard SET root = zeroblob(32)"), True),
    )
    try:
        ask(other, QUESTION)
        ask(home, QUESTION)
        for name, damage, is_said in cases:
            damage()
            got, said = ask(home, QUESTION)
            assert got == wanted, f'{name}: {len(got)} instead of {len(wanted)}: {said}'
            assert is_said is None or ('anew' in said) == is_said, f'{name}: {said!r}'
            assert ask(home, QUESTION) == (wanted, ''), name
    finally:
        drop(home)
        drop(other)


def damage_that_is_met_on_the_way_is_said_and_nothing_is_missing():
    home, records = ledger_of(FEWER)
    wanted = answer(records, QUESTION)
    home = copy_of(home)
    try:
        ask(home, QUESTION)
        whole = (home / 'log.db').read_bytes()
        draw = random.Random(SEED)
        said_by = 0
        for _ in range(20):
            for _ in range(1000):
                flip(home, draw.randrange(len(whole)))
            got, said = ask(home, QUESTION)
            assert got == wanted, f'{len(got)} instead of {len(wanted)}: {said}'
            said_by += said != ''
            put(home, whole)
        assert said_by > 3, said_by
        sql(home, 'DELETE FROM block WHERE length(differences) > 20')
        got, said = ask(home, QUESTION)
        assert got == wanted and 'damaged' in said and 'every record is read' in said, said
        got, said = ask(home, QUESTION, '--reindex')
        assert (got, said) == (wanted, ''), said
        assert ask(home, QUESTION) == (wanted, '')
    finally:
        drop(home)


def many_ask_at_once_and_the_first_one_makes_the_index():
    home, records = ledger_of(FEWER)
    wanted = answer(records, QUESTION)
    home = copy_of(home)
    words = [CUSTODY, 'log', *(w for n, v in QUESTION.items() for w in (f'--{n}', v))]
    env = {'CUSTODY_HOME': str(home), 'PATH': '/usr/bin:/bin'}
    try:
        for _ in range(2):
            asking = [subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                      for _ in range(6)]
            for process in asking:
                out, said = process.communicate(timeout=120)
                assert process.returncode == 0, said
                assert [int(line.split(None, 1)[0]) for line in out.splitlines()] == wanted, said
                assert said == '' or 'another process is writing the index' in said or 'locked' in said, said
        assert ask(home, QUESTION) == (wanted, '')
    finally:
        drop(home)


def killed_while_it_makes_the_index():
    home, records = ledger_of(FEWER)
    wanted = answer(records, QUESTION)
    home = copy_of(home)
    env = {'CUSTODY_HOME': str(home), 'PATH': '/usr/bin:/bin'}
    draw = random.Random(SEED)
    killed = 0
    try:
        for _ in range(15):
            process = subprocess.Popen([CUSTODY, 'log', '--reindex', '--limit', '1'], env=env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0.01, 0.4))
            process.kill()
            killed += process.wait() == -signal.SIGKILL
            assert ask(home, QUESTION)[0] == wanted
        assert killed > 3, killed
    finally:
        drop(home)


def who_may_not_write_reads():
    home, records = ledger_of(FEWER)
    wanted = answer(records, QUESTION)
    home = copy_of(home)
    other = ()
    if os.geteuid() == 0:
        other = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--')
    program = shutil.copy(CUSTODY, home.parent / 'custody')
    try:
        home.chmod(0o555)
        got, said = ask(home, QUESTION, prefix=other, program=program)
        assert got == wanted and 'read record by record' in said and 'ermission denied' in said, said
        assert not (home / 'log.db').exists()
        home.chmod(0o755)
        assert ask(home, QUESTION) == (wanted, '')
        home.chmod(0o555)
        if other:  # the owner's index cannot be read
            got, said = ask(home, QUESTION, prefix=other, program=program)
            assert got == wanted and said != '', said
            (home / 'log.db').chmod(0o644)
        assert ask(home, QUESTION, prefix=other, program=program) == (wanted, '')
        done = run([*other, program, 'log', '--reindex'], env={'CUSTODY_HOME': str(home), 'PATH': '/usr/bin:/bin'})
        assert done.returncode == 1 and 'make the index' in done.stderr, done
    finally:
        home.chmod(0o755)
        drop(home)


def shards_are_one_history():
    old, old_records = ledger_of(20_000)
    new, new_records = ledger_of(12_300)
    home = copy_of(old)
    try:
        question = {'type': 'model.outcome'}
        assert ask(home, question)[0] == answer(old_records, question)
        assert (home / 'log.db').exists()
        (home / 'shards').mkdir()
        shutil.move(home / 'ledger', home / 'shards/0001')
        shutil.copytree(new / 'ledger', home / 'ledger')
        both = [(1, i, r) for i, r in enumerate(old_records)] + [(2, i, r) for i, r in enumerate(new_records)]
        for question in (question, {'verdict': 'deny'}, {'path': '*.hl7'}, {'person': 'maria', 'class': 'pan'}, {}):
            for limit in (None, 1, 700, 14_000):
                wanted = [(shard, index) for shard, index, record in both if holds(record, question)][-(limit or 10 ** 9):]
                lines, said = lines_of(home, {**question, **({'limit': limit} if limit else {})})
                assert said == '', said  # the index goes on; it is not made anew
                assert [(line['shard'], line['index']) for line in lines] == wanted, (question, limit)
        text = run([CUSTODY, 'log', '--limit', '1'], env={'CUSTODY_HOME': str(home)}, check=0).stdout
        assert text.split()[0] == '2/12299', text
        shutil.rmtree(home / 'shards')  # the index is of more than this ledger now
        got, said = ask(home, {'verdict': 'deny'})
        assert got == answer(new_records, {'verdict': 'deny'}) and 'another ledger' in said, said
    finally:
        drop(home)


def a_ledger_without_records_has_none():
    root = pathlib.Path(tempfile.mkdtemp(prefix='custody-log-'))
    try:
        (root / 'ledger').mkdir()
        for more in ((), ('--limit', '5'), ('--run', 'x'), ('--reindex',), ('--no-index',), ('--limit', '5')):
            done = run([CUSTODY, 'log', *more], env={'CUSTODY_HOME': str(root)}, check=0)
            assert done.stdout == '' and 'no records' in done.stderr, done
        shutil.rmtree(root / 'ledger')
        assert run([CUSTODY, 'log'], env={'CUSTODY_HOME': str(root)}).returncode == 3
    finally:
        shutil.rmtree(root)


def a_small_ledger_needs_no_index():
    place = Place()
    try:
        place.run('true')
        assert place.log() and not (place.home / 'log.db').exists()
        place.custody('log', '--reindex', check=0)
        first = place.log()
        place.run('true')  # it grows
        assert place.log()[:len(first)] == first and len(place.log()) > len(first)
        assert place.log('--type', 'run.started') == [r for r in place.log('--no-index') if r['type'] == 'run.started']
        assert (place.home / 'log.db').stat().st_mode & 0o777 == 0o600
    finally:
        place.close()


class Following:
    def __init__(self, place, *words):
        self.process = subprocess.Popen([place.program, 'log', '--follow', '--json', *words], env=place.env, bufsize=0,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b''

    def lines(self, enough, seconds):
        """What has come when `enough` says so."""
        deadline = time.monotonic() + seconds
        while True:
            self.text += self.process.stdout.read() or b''
            lines = [json.loads(line) for line in self.text.splitlines(True) if line.endswith(b'\n')]
            if enough(lines):
                return lines
            assert self.process.poll() is None, 'it has ended'
            assert time.monotonic() < deadline, f'{len(lines)} lines, and not what was waited for'
            time.sleep(0.02)


def following_goes_on_over_daemons_and_shards():
    place = Place()
    following = None
    try:
        place.run('true')
        following = Following(place, '--type', 'run.*', '--limit', '1')
        first = following.lines(lambda lines: len(lines) == 1, 10)
        assert first[0]['type'] == 'run.ended', first
        for number in (2, 3):  # each has a daemon of its own
            done = place.run('true')
            lines = following.lines(lambda lines: len(lines) == 1 + 2 * (number - 1), 3)
            assert [line['run'] for line in lines[-2:]] == [done['run']] * 2, lines
            time.sleep(1)
        place.custody('key', 'rotate', check=0)
        done = place.run('true')
        lines = following.lines(lambda lines: len(lines) == 7, 3)
        assert {line['shard'] for line in lines[-2:]} == {2} and {line['run'] for line in lines[-2:]} == {done['run']}, lines
        following.process.stdout.close()
        following.process.wait(5)  # though nothing comes any more
    finally:
        if following is not None and following.process.poll() is None:
            following.process.kill()
        place.close()


def what_is_recorded_is_followed_within_a_second_or_two():
    place = Place()
    following = None
    try:
        place.run('true')
        following = Following(place, '--type', 'file.read')
        running = place.start([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--', '/bin/sh', '-c',
                               'date +%s.%N; cat README >/dev/null; sleep 4'], stdout=subprocess.PIPE, text=True, cwd=place.repo)
        following.lines(lambda lines: any(line['object']['path'] == 'README' for line in lines), 20)
        seen = time.time()
        assert 0 < seen - float(running.stdout.readline()) < 3  # published once a second, looked for four times
        running.wait(30)
    finally:
        if following is not None:
            following.process.kill()
        place.close()


def the_table_of_types_is_printed():
    table = json.loads(run([CUSTODY, 'log', '--types', '--json'], check=0).stdout)
    types = {row['type']: row for row in table['types']}
    fields = {row['field'] for row in table['fields']}
    assert types['file.read']['required'] == ['run', 'object.path'] and 'class' in types['file.read']['allowed']
    assert all(name in fields for row in table['types'] for name in row['required'] + row['allowed'])
    text = run([CUSTODY, 'log', '--types'], check=0).stdout
    assert all(name in text for name in list(types) + list(fields))
    bash = run([CUSTODY, 'help', '--completion', 'bash'], check=0).stdout
    assert all(name in bash for name in types)


try:
    main([every_filter_says_what_a_plain_reading_says, what_is_printed_is_the_record,
          an_index_that_is_wrong_is_said_and_made_anew, damage_that_is_met_on_the_way_is_said_and_nothing_is_missing,
          many_ask_at_once_and_the_first_one_makes_the_index, killed_while_it_makes_the_index, who_may_not_write_reads,
          shards_are_one_history, a_ledger_without_records_has_none, a_small_ledger_needs_no_index,
          following_goes_on_over_daemons_and_shards, what_is_recorded_is_followed_within_a_second_or_two,
          the_table_of_types_is_printed])
finally:
    for root, *_ in made.values():
        shutil.rmtree(root, ignore_errors=True)
