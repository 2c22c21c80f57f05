"""Keys without effect, approvals that cannot be, content that is no text: as a user meets them."""
import json
import pathlib
import sqlite3

from harness import CARD, Place, main

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data/policy'


def a_key_without_effect_is_warned_of():
    place = Place()
    try:
        text = (place.repo / 'custody.yaml').read_text()
        (place.repo / 'custody.yaml').write_text(text + 'frameworks: [hipaa]\n')
        place.commit('a framework')
        line = len(text.splitlines()) + 1
        said = place.custody('policy', 'check', check=0)
        assert f'custody.yaml:{line}:14: frameworks[0]: known, not enforced by this version' in said.stderr, said.stderr
        notes = json.loads(place.custody('policy', 'check', '--json', check=0).stdout)['notes']
        assert [(note['file'], note['line'], note['key']) for note in notes] == [('custody.yaml', line, 'frameworks[0]')], notes
        done = place.run('true')
        assert done['exit'] == 2 and '1 key of the policy is known, and not enforced' in done['stderr'], done
    finally:
        place.close()


def every_open_is_recorded_where_policy_says_so():
    place = Place(files={'src/app.txt': 'one\n'})
    try:
        def opens():
            done = place.run('sh', '-c', 'cat src/app.txt src/app.txt; echo two > src/app.txt')
            assert done['exit'] == 0, done
            return [record['operation'] for record in place.log('--run', done['run'], '--path', 'src/app.txt')
                    if record['type'] in ('file.read', 'file.written')]

        told = opens()
        assert told.count('read') == 1 and 'open' not in told, told
        place.policy('audit: full\n')
        told = opens()
        assert told.count('open') == 2 and told.count('read') == 1 and told.count('open-to-write') == 1, told
    finally:
        place.close()


def the_examples_of_the_manual_are_valid_and_run():
    place = Place(files={'src/app.txt': 'one\n', 'tests/a.txt': 'x\n'})
    try:
        (place.home / 'policy.yaml').write_text((DATA / 'organisation.yaml').read_text())
        (place.repo / 'custody.yaml').write_text((DATA / 'repository.yaml').read_text())
        place.commit('the examples')
        place.custody('policy', 'check', check=0)
        done = place.custody('run', '--requester', 'maria', '--json', '--', '/bin/sh', '-c', 'echo two >> src/app.txt', check=0)
        assert json.loads(done.stdout)['state'] == 'ready', done
    finally:
        place.close()


def what_a_day_may_cost_is_kept():
    place = Place(policy_extra='budgets: { repository_day: { tokens: 1000 } }\n')
    try:
        first = place.run('/bin/sh', '-c', 'echo two >> src/app.txt', check=0)
        with sqlite3.connect(place.home / 'store.db') as db:
            db.execute('update runs set tokens = 1000 where id = ?', (first['run'],))
        second = place.run('/bin/sh', '-c', 'echo two >> src/app.txt', check=1)
        assert second['reasons'] == ['budget'] and 'repository_day' in second['stderr'], second
        assert place.log('--run', second['run'], '--type', 'run.ended')[0]['reason'] == 'budget'
        with sqlite3.connect(place.home / 'store.db') as db:
            db.execute('update runs set started = started - 86400000000')
        place.run('/bin/sh', '-c', 'echo two >> src/app.txt', check=0)
    finally:
        place.close()


def what_a_class_means_is_explained():
    place = Place()
    try:
        data = json.loads(place.custody('policy', 'explain', 'src/app.txt', '--json', check=0).stdout)['data']
        assert data['opaque'] == {'view': 'allow', 'model': 'deny', 'checks': 'allow'}, data
        text = place.custody('policy', 'explain', 'src/app.txt', check=0).stdout
        assert 'opaque  view allow' in text, text
    finally:
        place.close()


def what_is_no_text_is_searched_before_an_agent_reads_it():
    files = {'README': 'x\n', 'src/app.txt': 'one\n', 'data.bin': b'\0\1\2 ' + CARD.encode() + b'\0end',
             'clean.bin': b'\0\1\2\3', 'wide.csv': ('name,card\r\nada,' + CARD + '\r\n').encode('utf-16')}
    place = Place(files=files)
    try:
        done = place.run('/bin/sh', '-c', 'cat data.bin > src/a.out; cat wide.csv > src/b.out; cmp clean.bin clean.bin; '
                         'wc -c < data.bin; iconv -f utf-16 wide.csv >/dev/null && echo text > src/app.txt')
        assert done['exit'] in (0, 1), done
        shown = place.git('show', f'custody/{done["run"]}:src/a.out')
        wide = place.git('show', f'custody/{done["run"]}:src/b.out')
        assert CARD not in shown and 'end' in shown, shown
        assert CARD not in wide.replace('\0', ''), wide
        assert place.git('show', f'custody/{done["run"]}:src/app.txt') == 'text\n'
    finally:
        place.close()


if __name__ == '__main__':
    main([a_key_without_effect_is_warned_of, every_open_is_recorded_where_policy_says_so, the_examples_of_the_manual_are_valid_and_run,
          what_a_day_may_cost_is_kept, what_a_class_means_is_explained,
          what_is_no_text_is_searched_before_an_agent_reads_it])
