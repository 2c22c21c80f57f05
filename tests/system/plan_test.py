#!/usr/bin/env python3
"""What one run may do is narrowed when it begins: what it may write, and which of the host's folders it sees."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, main

FILES = {'src/app.c': 'int main(void) { return 0; }\n', 'docs/page.md': 'a page\n', 'tests/t.sh': 'true\n'}
WORK = '''
    echo one > src/new.c && echo two >> src/app.c && echo made >> tests/t.sh
    echo three >> docs/page.md && echo through
    echo four > top.txt && echo through
    mv src/app.c docs/app.c && echo through
    rm docs/page.md && echo through
    echo still here
'''


def what_the_plan_does_not_name_is_refused_and_the_run_goes_on():
    place = Place(files=FILES)
    try:
        done = place.run('/bin/sh', '-c', WORK + 'exit 0', options=('--write', 'src/**,tests/**'))
        assert done['state'] == 'ready' and done['agent_exit'] == 0, done
        assert 'still here' in done['stderr'] and 'through' not in done['stderr'], done['stderr']
        records = place.log('--run', done['run'])
        refused = [r for r in records if r['type'] == 'file.refused' and r.get('rule') == 'plan.write']
        paths = {r['object'].get('path_to', r['object']['path']) for r in refused}
        assert {'docs/page.md', 'top.txt', 'docs/app.c'} <= paths, refused
        assert all(r['process']['pid'] > 1 for r in refused), refused
        plan = [r['rule'] for r in records if r['type'] == 'cell.enforced' and r['mechanism'] == 'plan.write']
        assert plan == ['src/**', 'tests/**'], plan
        assert [r for r in records if r['type'] == 'run.ended'], 'the run has no end'
        changed = {f['path'] for f in json.loads(place.custody('change', 'show', done['change'], '--json', check=0).stdout)['files']}
        assert changed == {'src/new.c', 'src/app.c', 'tests/t.sh'}, changed
    finally:
        place.close()


def the_plan_never_widens_what_policy_says():
    place = Place(files=FILES, repository_policy='version: 1\nowner: tom\npaths:\n  write: { deny: ["src/**"] }\n')
    try:
        done = place.run('/bin/sh', '-c', 'echo x >> src/app.c; echo y >> custody.yaml; echo z >> tests/t.sh',
                         options=('--write', '**'))
        refused = {(r['object']['path'], r.get('rule')) for r in place.log('--run', done['run'])
                   if r['type'] == 'file.refused' and r['mechanism'] == 'view' and 'canary' not in r['object']['path']}
        assert ('src/app.c', 'paths.write.deny[0]') in refused, refused
        changed = {f['path'] for f in json.loads(place.custody('change', 'show', done['change'], '--json', check=0).stdout)['files']}
        assert changed == {'tests/t.sh'}, changed
    finally:
        place.close()


def a_pattern_that_is_none_is_wrong_use():
    place = Place(files=FILES)
    try:
        done = place.run('true', options=('--write', 'src/**,../up'))
        assert done['exit'] == 3 and '../up' in done['stderr'], done
    finally:
        place.close()


def a_cache_of_the_host_is_read_and_not_written():
    place = Place(files=FILES)
    try:
        cache = place.root / 'cache'
        (cache / 'deep').mkdir(parents=True)
        (cache / 'deep/part.txt').write_text('from the host\n')
        place.policy(f'caches: {{ .cargo/registry: {cache} }}\n')
        done = place.run('/bin/sh', '-c', 'cat ~/.cargo/registry/deep/part.txt; echo x > ~/.cargo/registry/deep/new && echo wrote;'
                         'echo mine > ~/.cargo/own && cat ~/.cargo/own; cp ~/.cargo/registry/deep/part.txt got.txt')
        assert 'from the host' in done['stderr'] and 'mine' in done['stderr'], done
        assert 'wrote' not in done['stderr'] and not (cache / 'deep/new').exists(), done
        place.policy('caches: { ../up: /srv }\n')
        assert place.run('true')['exit'] == 3
        place.policy('caches: { .m2: /not/there }\n')
        missing = place.run('true')
        assert missing['exit'] != 0 and '/not/there' in missing['stderr'], missing
    finally:
        place.close()


if __name__ == '__main__':
    main([what_the_plan_does_not_name_is_refused_and_the_run_goes_on, the_plan_never_widens_what_policy_says,
          a_pattern_that_is_none_is_wrong_use, a_cache_of_the_host_is_read_and_not_written])
