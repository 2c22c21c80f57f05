#!/usr/bin/env python3
"""One contained run as a user starts it: view, refusals, change, approval, landing, records, bad ends."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, CUSTODY, Place, Skip, TOKEN, main, run

SHELL = ('/bin/sh', '-c')


def a_run_ends_in_a_change_that_another_human_lands():
    place = Place()
    try:
        done = place.run(*SHELL, 'printf "three\\n" >> src/app.txt && echo new > src/new.txt', check=0)
        assert done['state'] == 'ready' and done['agent_exit'] == 0, done
        change = done['change']
        row = [c for c in json.loads(place.custody('change', 'list', '--json', check=0).stdout) if c['id'] == change][0]
        assert row['state'] == 'ready' and row['files'] == 2, row
        diff = place.custody('change', 'diff', change, check=0).stdout
        assert '+three' in diff and 'new.txt' in diff
        assert place.git('rev-parse', 'custody/' + done['run']).strip() == row['head']
        assert (place.repo / 'src/app.txt').read_text() == 'one\ntwo\n', 'the original was touched'
        refused = place.custody('change', 'land', change)
        assert refused.returncode == 1, refused
        requester = place.custody('change', 'approve', change, '--as', 'tom', '--key', place.keys['tom'])
        assert requester.returncode != 0, 'the requester could approve'
        wrong_key = place.custody('change', 'approve', change, '--as', 'maria', '--key', place.keys['tom'])
        assert wrong_key.returncode != 0, "another person's key could approve"
        place.custody('change', 'approve', change, '--as', 'maria', '--key', place.keys['maria'], check=0)
        place.custody('change', 'land', change, check=0)
        assert (place.repo / 'src/app.txt').read_text() == 'one\ntwo\nthree\n'
        assert place.git('status', '--porcelain') == ''
        types = [r['type'] for r in place.log('--run', done['run'])]
        for wanted in ('run.started', 'policy.loaded', 'canary', 'cell.enforced', 'file.written', 'change.made', 'run.ended'):
            assert wanted in types, (wanted, types)
        everything = [r['type'] for r in place.log()]
        assert 'approval.given' in everything and 'change.landed' in everything, everything
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def what_is_denied_is_absent_and_what_is_sensitive_is_replaced():
    place = Place(files={'README': 'x\n', 'src/cards.csv': f'name,card\nann,{CARD}\n',
                         '.env': f'GITHUB_TOKEN={TOKEN}\n', 'server.pem': 'private\n'})
    try:
        done = place.run(*SHELL, 'cat src/cards.csv .env; ls -a; cat server.pem; git log --oneline; git status --porcelain; '
                         'git cat-file --batch-all-objects --batch; touch out.txt', check=0)
        seen = done['stderr']
        assert CARD not in seen and TOKEN not in seen, 'an original came out'
        assert 'server.pem' not in [line.strip() for line in seen.splitlines()], 'a denied name is listed'
        assert 'name,card' in seen
        records = place.log('--run', done['run'])
        reads = {r['object']['path']: r for r in records if r['type'] == 'file.read'}
        assert reads['src/cards.csv']['class'] == 'pan' and reads['src/cards.csv']['verdict'] == 'redact', reads
        assert reads['.env']['class'] == 'secret'
        assert all('pid' in r['process'] and 'executable' in r['process'] for r in reads.values()), reads
    finally:
        place.close()


def surrogates_become_originals_again_in_their_own_file_only():
    place = Place(files={'src/cards.csv': f'name,card\nann,{CARD}\n', 'src/a.txt': 'a\n'})
    try:
        done = place.run(*SHELL, "sed -i 's/ann/bob/' src/cards.csv", check=0)
        assert place.git('show', f'custody/{done["run"]}:src/cards.csv') == f'name,card\nbob,{CARD}\n'
        moved = place.run(*SHELL, 'cp src/cards.csv src/copy.csv', check=1)
        assert 'surrogate-moved' in moved['reasons'], moved
        assert CARD not in place.git('show', f'custody/{moved["run"]}:src/copy.csv')
    finally:
        place.close()


def writing_outside_policy_is_refused_and_recorded():
    place = Place()
    try:
        before = (place.repo / 'custody.yaml').read_text()
        done = place.run(*SHELL, 'echo x > .gitattributes; echo x >> custody.yaml; echo x > custody.yaml; '
                         'sed -i s/tom/eve/ custody.yaml; rm -f custody.yaml; mkdir -p .github/workflows; '
                         'echo x > .github/workflows/a.yml; echo x > evil.pem; echo ok > fine.txt; cat custody.yaml', check=0)
        assert before in done['stderr'], 'what was refused is seen in the cell'
        refused = [r for r in place.log('--run', done['run']) if r['type'] == 'file.refused']
        paths = {r['object'].get('path') for r in refused}
        for path in ('.gitattributes', 'evil.pem', 'custody.yaml', '.github/workflows/a.yml'):
            assert path in paths, (path, paths)
        kinds = {r.get('operation') for r in refused if r['object'].get('path') == 'custody.yaml'}
        assert {'modify', 'delete'} <= kinds, kinds
        by_shell = [r for r in refused if r['object'].get('path') == 'custody.yaml' and r.get('operation') == 'modify']
        assert len(by_shell) >= 3, 'the canary tries once, the agent twice'
        assert all(r['process']['executable'].startswith('/') for r in refused if r['object'].get('path') == 'custody.yaml')
        assert place.git('diff', '--name-only', 'main', 'custody/' + done['run']).split() == ['fine.txt']
    finally:
        place.close()


def bad_ends_are_clear_recorded_and_leave_nothing():
    """Each row: what the agent does, the exit code, the words of `reasons`, what people are told."""
    place = Place()
    cases = (
        ('empty', 'true', 2, ['no-change'], 'the agent changed nothing'),
        ('crash', 'echo x > a.txt; kill -SEGV $$', 2, ['agent-failed'], 'killed by signal 11'),
        ('exit', 'echo x > a.txt; exit 7', 2, ['agent-failed'], 'ended with exit code 7'),
        ('fails and changes nothing', 'exit 3', 2, ['agent-failed', 'no-change'], 'ended with exit code 3'),
        ('kills all it can', 'echo x > a.txt; kill -9 -1; exit 1', 2, ['agent-failed'], 'ended with exit code 1'),
        ('closes stdout', 'exec >&- 2>&-; echo x > b.txt', 0, [], ''),
        ('forks without end', 'bomb() { bomb | bomb & }; bomb; sleep 1; echo x > c.txt', None, None, ''),
        ('daemon', 'setsid sleep 1000 & echo x > d.txt', 0, [], ''),
        ('link out of the tree', 'ln -s /etc/passwd out', 1, ['link-leaves-tree'], 'points out of the repository'),
        ('too much', 'for i in $(seq 100); do echo x > $i.txt; done', 1, ['too-many-files'], 'limits: files'),
    )
    try:
        for name, script, code, reasons, said in cases:
            done = place.run(*SHELL, script, timeout=90)
            assert code is None or done['exit'] == code, (name, done)
            assert reasons is None or done['reasons'] == reasons, (name, done)
            assert said in done['stderr'], (name, done['stderr'][-600:])
            only_one_end(place, done['run'], done['state'], done['reasons'])
            assert place.left_behind(ledger=False) == [], name
        missing = place.run('/no/such/program')
        assert missing['exit'] == 3 and missing['reasons'] == ['agent-start'], missing
        assert 'start /no/such/program: No such file' in missing['stderr'] and 'custody engine list' in missing['stderr']
        only_one_end(place, missing['run'], 'failed', ['agent-start'])
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def only_one_end(place, run_id, state, reasons):
    """The ledger has one run.ended of this run, and it says what --json said."""
    ended = [r for r in place.log('--run', run_id) if r['type'] == 'run.ended']
    assert len(ended) == 1, ended
    assert ended[0]['outcome'] == state and ended[0].get('reason') == (reasons or [None])[0], (ended, state, reasons)


def a_disk_that_is_filled_is_the_agents_problem():
    place = Place(policy_extra='resources: { disk: 20M }\n')
    try:
        done = place.run('/bin/bash', '-c', 'mkdir d; for i in $(seq 8); do head -c 5000000 /dev/zero > d/$i || break; done; '
                         'rm -r d; echo x > a.txt; for at in /tmp ~; do head -c 30000000 /dev/zero > $at/big || echo full; done; '
                         'echo y > b.txt', check=0)
        assert 'No space left on device' in done['stderr'] and done['stderr'].count('full') == 2, done['stderr']
        assert place.git('show', f'custody/{done["run"]}:a.txt') == 'x\n'
        assert place.git('diff', '--name-only', 'main', 'custody/' + done['run']).split() == ['a.txt', 'b.txt']
    finally:
        place.close()


def what_is_wrong_before_the_start_is_said_and_refused():
    place = Place()
    (place.root / 'empty').mkdir()
    run(['git', 'init', '-q', place.root / 'empty'])
    here = ('--repo', str(place.repo))
    cases = (
        (('--repo', '/nowhere', '--', 'true'), 'repository', '/nowhere: No such file'),
        (('--repo', '/usr', '--', 'true'), 'repository', '/usr is not a git repository'),
        (('--repo', str(place.root / 'empty'), '--', 'true'), 'repository', 'no commit yet'),
        (here, 'use', 'nothing to run: give -- COMMAND'),
        ((*here, '--requester', 'eve', '--', 'true'), 'requester', "eve is not in the policy's people"),
        ((*here, '--base', 'nope', '--', 'true'), 'repository', 'no such commit: nope'),
        ((*here, '--role', 'a b', '--', 'true'), 'use', 'role'),
        ((*here, '--engine', 'nope', '--ticket', '/none'), 'engine', 'there is no engine nope'),
        ((*here, '--engine', 'codex', '--ticket', '/none'), 'ticket', '/none: No such file'),
    )
    try:
        (place.repo / 'README').write_text('changed\n')
        dirty = place.run(*SHELL, 'true')
        assert dirty['exit'] == 1 and dirty['reasons'] == ['dirty'] and 'README' in dirty['stderr'], dirty
        only_one_end(place, dirty['run'], 'refused', ['dirty'])
        assert place.run(*SHELL, 'echo x > a.txt', options=('--ignore-dirty',))['exit'] == 0
        place.git('checkout', '-q', 'README')
        for words, reason, said in cases:
            done = place.custody('run', '--json', *words)
            result = json.loads(done.stdout)
            assert done.returncode == 3 and result['reasons'] == [reason] and said in done.stderr, (words, done)
            assert reason + ': ' in done.stderr, (words, 'nothing says what to do', done.stderr)
            only_one_end(place, result['run'], result['state'], [reason])
        for text, where in (('version: 1\nfoo: 2\n', 'custody.yaml:2:'), ('version: 1\nphase: [\n', 'custody.yaml:3:')):
            (place.repo / 'custody.yaml').write_text(text)
            place.commit('broken policy')
            broken = place.run(*SHELL, 'true')
            assert broken['exit'] == 3 and where in broken['stderr'], broken
            only_one_end(place, broken['run'], 'refused', ['policy'])
        (place.home / 'policy.yaml').write_text('version: 1\nphase: [\n')
        broken = place.run(*SHELL, 'true')
        assert broken['exit'] == 3 and 'policy.yaml:3:' in broken['stderr'], broken
        homeless = place.custody('run', *here, '--', 'true', env={'CUSTODY_HOME': str(place.root / 'none')})
        assert homeless.returncode == 3 and 'custody init' in homeless.stderr, homeless
    finally:
        place.close()


def a_large_dirty_tree_is_refused_also_when_that_is_found_late():
    place = Place(files={f'src/{"a-longer-folder-name" * 3}/{i:05}.txt': f'{i}\n' for i in range(4000)})
    try:
        assert (place.repo / '.git/index').stat().st_size > 256 * 1024
        place.run(*SHELL, 'echo x > new.txt', check=0)
        place.write(f'src/{"a-longer-folder-name" * 3}/00007.txt', 'changed\n')
        before = place.git('branch', '--list', 'custody/*')
        for script in ('sleep 20', 'echo x > new.txt'):
            done = place.run(*SHELL, script, check=1)
            assert done['state'] == 'refused' and done['reasons'] == ['dirty'] and done['change'] is None, done
            assert '00007.txt' in done['stderr'], done
            only_one_end(place, done['run'], 'refused', ['dirty'])
        assert place.git('branch', '--list', 'custody/*') == before
        place.run(*SHELL, 'echo x > new.txt', options=('--ignore-dirty',), check=0)
    finally:
        place.close()


def start_run(place, *program, options=('--json',)):
    return subprocess.Popen([CUSTODY, 'run', '--repo', str(place.repo), '--requester', 'tom', *options, '--', *program],
                            env=place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def a_run_is_stopped_by_the_kill_switch_and_by_signals():
    place = Place()
    cases = ((None, 143), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129))
    before = None
    try:
        for number, code in cases:
            process = start_run(place, *SHELL, 'echo x > left.txt; sleep 600')
            run_id = before = place.wait_for_run(not_this=before)
            if number is None:
                place.custody('stop', run_id, check=0)
            else:
                process.send_signal(number)
            out, err = process.communicate(timeout=20)
            result = json.loads(out)
            assert process.returncode == code, (number, process.returncode, out, err)
            assert result['state'] == 'stopped' and result['reasons'] == ['stopped'], result
            assert 'thrown away' in err, err
            only_one_end(place, run_id, 'stopped', ['stopped'])
            assert place.left_behind(ledger=False) == [], number
            assert place.git('branch', '--list', 'custody/*') == ''
        again = place.custody('stop', before)
        assert again.returncode == 1 and 'has ended already' in again.stderr, again
        assert place.custody('stop', 'r-none').returncode == 3
    finally:
        place.close()


def a_run_that_is_too_slow_is_ended_by_the_time_limit():
    place = Place(policy_extra='budgets: { run: { minutes: 1 } }\n')
    try:
        begun = time.monotonic()
        done = place.run(*SHELL, 'echo x > a.txt; trap "" TERM INT; while :; do sleep 600; done', check=2)
        assert 55 < time.monotonic() - begun < 75, time.monotonic() - begun
        assert 'time-limit' in done['reasons'] and 'minutes' in done['stderr'], done
        only_one_end(place, done['run'], done['state'], done['reasons'])
    finally:
        place.close()


def when_core_is_killed_nothing_goes_on_and_the_end_is_recorded():
    place = Place()
    try:
        process = start_run(place, *SHELL, 'echo x > left.txt; setsid sleep 600 & sleep 600')
        run_id = place.wait_for_run()
        process.kill()
        process.communicate(timeout=20)
        assert place.left_behind(ledger=False) == []
        assert (place.home / 'runs' / run_id).is_dir()
        assert [r for r in place.log('--run', run_id) if r['type'] == 'run.ended'] == []
        done = json.loads(place.custody('runs', 'gc', '--json', check=0).stdout)
        assert done == {'removed': 1, 'erased': 0, 'images': 0, 'caches': []}, done
        only_one_end(place, run_id, 'failed', ['killed'])
        assert list((place.home / 'runs').glob('r-*')) == []
        shown = json.loads(place.custody('show', run_id, '--json', check=0).stdout)
        assert shown['state'] == 'failed' and shown['reasons'] == 'killed', shown
        assert json.loads(place.custody('runs', 'gc', '--json', check=0).stdout) == {'removed': 0, 'erased': 0, 'images': 0, 'caches': []}
        second = start_run(place, 'sleep', '600')
        killed = place.wait_for_run(not_this=run_id)
        second.kill()
        second.communicate(timeout=20)
        assert place.left_behind(ledger=False) == []
        place.run(*SHELL, 'echo x > a.txt', check=0)
        only_one_end(place, killed, 'failed', ['killed'])
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def two_runs_on_one_repository_at_once_are_right():
    place = Place()
    try:
        argv = [CUSTODY, 'run', '--repo', str(place.repo), '--requester', 'tom', '--json', '--']
        both = [subprocess.Popen([*argv, *SHELL, f'sleep 0.5; echo {n} > {n}.txt; cat src/app.txt'], env=place.env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for n in ('one', 'two')]
        results = []
        for process in both:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, (process.returncode, out, err)
            results.append(json.loads(out))
        assert results[0]['run'] != results[1]['run']
        for name, result in zip(('one', 'two'), results):
            assert place.git('diff', '--name-only', 'main', 'custody/' + result['run']).split() == [name + '.txt']
            reads = [r for r in place.log('--run', result['run']) if r['type'] == 'file.read' and 'canary' not in r['object']['path']]
            assert 'src/app.txt' in [r['object']['path'] for r in reads], reads
            assert all(r['run'] == result['run'] for r in reads), reads
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def whom_nobody_reads_ends_by_a_signal():
    """The agent fills the pipe that custody's own words go to, too: the run is over all the same, and custody can be ended."""
    place = Place()
    try:
        for ask in (False, True):
            reader, writer = os.pipe()
            process = place.start([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--', '/bin/sh', '-c',
                                   'yes & yes >&2 & ' + ('while :; do sleep 1; done' if ask else 'sleep 1')],
                                  cwd=place.repo, stdout=writer, stderr=writer)
            os.close(writer)
            run_id = place.wait_for_run()
            if ask:
                process.terminate()
            deadline = time.monotonic() + 60  # what is left is offered for some seconds
            while next(r for r in json.loads(place.custody('runs', '--json').stdout) if r['run'] == run_id)['state'] == 'working':
                assert time.monotonic() < deadline, 'the run is not over'
                time.sleep(0.2)
            assert place.log('--run', run_id, '--type', 'run.ended'), 'no end is recorded'
            for _ in range(40):
                process.terminate()
                try:
                    process.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    continue
            assert process.poll() is not None, 'it cannot be ended'
            os.close(reader)
    finally:
        place.close()


def the_environment_in_a_cell_is_the_contract():
    place = Place(policy_extra='environment: { pass: [MY_FLAG] }\n')
    try:
        done = place.run('/bin/bash', '-c', 'env; echo "at $(pwd)"; for fd in /proc/self/fd/*; do echo "fd ${fd##*/}"; done; '
                         'ls /proc/net/route && cat /proc/net/route; touch x', check=0,
                         env={'SECRET_OF_CALLER': 'do-not-pass', 'MY_FLAG': 'yes', 'http_proxy': 'http://203.0.113.9'})
        seen = done['stderr']
        found = dict(line.split('=', 1) for line in seen.splitlines() if '=' in line and not line.startswith('custody'))
        door = 'http://127.0.0.1:'
        for name in ('OPENAI_BASE_URL', 'ANTHROPIC_BASE_URL', 'GOOGLE_GEMINI_BASE_URL'):
            assert found[name].startswith(door), (name, found)
        for name in ('OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY'):
            assert found[name] == 'custody', (name, found)
        for name in ('HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'):
            assert found[name] == '', (name, found)
        assert found['CUSTODY_RUN'] == done['run'] and found['CUSTODY_AGENT'] == 'coder@billing#' + done['run'], found
        assert found['MY_FLAG'] == 'yes' and 'do-not-pass' not in seen, found
        assert f'at {place.repo}' in seen.splitlines()
        # Bash has the pattern's own folder open while it lists it; nothing of ours is there.
        assert {line for line in seen.splitlines() if line.startswith('fd ')} <= {'fd 0', 'fd 1', 'fd 2', 'fd 3', 'fd 255'}, seen
        ours = {'LANG', 'PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'PWD', 'SHLVL', '_', 'NO_PROXY', 'no_proxy',
                'MY_FLAG', 'CUSTODY_RUN', 'CUSTODY_AGENT'}
        strange = {name for name in found if name not in ours and not re.search('(?i)_(proxy|api_key|base_url)$', name)}
        assert strange == set(), strange
    finally:
        place.close()


def git_works_in_the_cell_and_its_history_is_one_commit():
    place = Place()
    try:
        place.write('later', 'x\n')
        place.commit('second')
        done = place.run(*SHELL, 'git log --oneline | wc -l; git status --porcelain | wc -l; echo y > made; git add made; '
                         'git commit -qm mine; git log --oneline | wc -l; git diff HEAD~1 --stat', check=0)
        numbers = [line.strip() for line in done['stderr'].splitlines() if line.strip().isdigit()]
        assert numbers[:3] == ['1', '0', '2'], done['stderr']
        assert place.git('diff', '--name-only', 'main', 'custody/' + done['run']).split() == ['made']
    finally:
        place.close()


if __name__ == '__main__':
    main([whom_nobody_reads_ends_by_a_signal, a_large_dirty_tree_is_refused_also_when_that_is_found_late, a_run_ends_in_a_change_that_another_human_lands,
          what_is_denied_is_absent_and_what_is_sensitive_is_replaced,
          surrogates_become_originals_again_in_their_own_file_only,
          writing_outside_policy_is_refused_and_recorded,
          bad_ends_are_clear_recorded_and_leave_nothing,
          a_disk_that_is_filled_is_the_agents_problem,
          what_is_wrong_before_the_start_is_said_and_refused,
          a_run_is_stopped_by_the_kill_switch_and_by_signals,
          a_run_that_is_too_slow_is_ended_by_the_time_limit,
          when_core_is_killed_nothing_goes_on_and_the_end_is_recorded,
          two_runs_on_one_repository_at_once_are_right,
          the_environment_in_a_cell_is_the_contract,
          git_works_in_the_cell_and_its_history_is_one_commit])
