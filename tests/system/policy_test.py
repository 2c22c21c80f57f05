"""Keys without effect, approvals that cannot be, content that is no text: as a user meets them."""
import contextlib
import json
import pathlib

from harness import CARD, Place, main
from landlock_test import shared_place

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


ROLE_POLICY = 'containment: degraded\npaths: { read: { hide_names: false } }\n'
ROLES = """version: 1
owner: tom
paths: { read: { deny: [everybody.txt] } }
agents:
  coder: { read: { deny: ["plans/**", { path: "*.sql", must_match: true }] } }
  planner: { read: { deny: ["src/**"], hide_names: true } }
"""
ROLE_FILES = {'README': 'x\n', 'src/app.txt': 'of the coder\n', 'plans/next.md': 'of the planner\n',
              'db/data.sql': 'of the planner, too\n', 'everybody.txt': 'of nobody\n'}
# role: what it reads, what it does not, and by which rule that is refused
ROLE_READS = {'coder': ({'src/app.txt', 'README'},
                        {'plans/next.md': 'agents.coder.read.deny[0]', 'db/data.sql': 'agents.coder.read.deny[1]'}),
              'planner': ({'plans/next.md', 'db/data.sql', 'README'}, {'src/app.txt': 'agents.planner.read.deny[0]'})}
LOOK = ('for f in src/app.txt plans/next.md db/data.sql README everybody.txt; do cat "$f" >/dev/null && echo "read $f" >&2; done; '
        'for f in $(git ls-files); do echo "git $f" >&2; git cat-file -p "HEAD:$f" >/dev/null 2>&1 && echo "blob $f" >&2; done; '
        'find . -path ./.git -prune -o -type f -print | sed "s,^\\./,named ," >&2; mkdir -p plans src; echo x > plans/new.md; echo x > src/new.txt; true')


@contextlib.contextmanager
def place_of(cell, **more):
    """A place whose user may have that cell."""
    if cell == 'landlock/fuse':
        with shared_place(**more) as place:
            yield place
        return
    place = Place(**more)
    try:
        yield place
    finally:
        place.close()


def a_role_is_looked_at(place, cell, role):
    done = place.run('/bin/sh', '-c', LOOK, options=('--role', role, '--cell', cell))
    assert done.get('cell') == cell and done['exit'] in (0, 1), done
    reads, refused = ROLE_READS[role]
    said = {kind: {line.split(' ', 1)[1] for line in done['stderr'].splitlines() if line.startswith(kind + ' ')}
            for kind in ('read', 'git', 'blob', 'named')}
    assert said['read'] == reads, (cell, role, said)
    assert reads <= said['blob'] and not said['blob'] & {*refused, 'everybody.txt'}, (cell, role, said)
    assert said['named'] - {'custody.yaml'} == (reads if role == 'planner' else set(ROLE_FILES)), (cell, role, said)
    assert reads <= said['git'] and (role == 'coder' or said['git'] - {'custody.yaml'} == reads), (cell, role, said)
    records = place.log('--run', done['run'])
    assert reads <= {r['object']['path'] for r in records if r['type'] == 'file.read'}, (cell, role)
    rules = {r['object']['path']: r.get('rule') for r in records if r['type'] == 'file.refused'}
    refused = {**refused, 'everybody.txt': 'paths.read.deny[0]'}
    for path, rule in refused.items():  # what shows is refused as a file, what does not as a name or with its folder
        wanted = 'view.denied-file' if role == 'coder' else rule
        assert wanted in (rules.get(path), rules.get(path.split('/')[0])), (cell, role, rules)
    own, others = {'coder': ('src', 'plans'), 'planner': ('plans', 'src')}[role]
    assert any(path.startswith(others) and path not in ROLE_FILES for path in rules), (cell, role, rules)
    changed = place.git('ls-tree', '-r', '--name-only', f'custody/{done["run"]}').splitlines()
    assert any(path.startswith(own + '/new') for path in changed), (cell, role, changed)
    assert not any(path.startswith(others + '/new') for path in changed), (cell, role, changed)
    for path in ROLE_FILES:
        shown = place.custody('view', path, '--role', role)
        assert (shown.returncode == 0) == (path in reads), (role, path, shown)
        told = json.loads(place.custody('policy', 'explain', path, '--role', role, '--json', check=0).stdout)
        assert (told['read'] == 'allow') == (path in reads) and told['read_rule'] == refused.get(path), (role, path, told)


def each_role_is_looked_at(cell):
    """Of one commit and policy: what the first role left in the caches is not the second one's."""
    with place_of(cell, policy_extra=ROLE_POLICY, files=ROLE_FILES, repository_policy=ROLES) as place:
        for role in ROLE_READS:
            a_role_is_looked_at(place, cell, role)


def each_role_reads_what_it_may_and_no_more():
    each_role_is_looked_at('namespaces/fuse')


def so_it_does_where_files_are_injected():
    each_role_is_looked_at('namespaces/injected')


def so_it_does_without_namespaces():
    each_role_is_looked_at('landlock/fuse')


if __name__ == '__main__':
    main([each_role_reads_what_it_may_and_no_more, so_it_does_where_files_are_injected, so_it_does_without_namespaces,
          a_key_without_effect_is_warned_of, every_open_is_recorded_where_policy_says_so, the_examples_of_the_manual_are_valid_and_run, what_a_class_means_is_explained,
          what_is_no_text_is_searched_before_an_agent_reads_it])
