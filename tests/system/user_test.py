#!/usr/bin/env python3
"""The same story as an ordinary user: no root, one uid, a state folder and a repository of its own."""
import contextlib
import json
import os
import shutil
import stat
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, Skip, fuse_for_everybody, main, run
from images import Layout, base_layer, entry

UID = 54321
SHELL = ('/bin/sh', '-c')
AS_USER = ('setpriv', f'--reuid={UID}', f'--regid={UID}', '--clear-groups', '--')
FUSE = '/dev/fuse'


def skip_unless_possible():
    if os.geteuid() != 0:
        raise Skip('needs root to become an ordinary user; run tests/system/run_test.py as that user instead')
    if not os.path.exists(FUSE):
        raise Skip('there is no /dev/fuse')
    if shutil.which('setpriv') is None:
        raise Skip('setpriv (util-linux) is not installed')
    made = run([*AS_USER, 'unshare', '--user', '--map-root-user', '--mount', 'true'])
    if made.returncode != 0:
        raise Skip('an ordinary user may not make user namespaces here: ' + made.stderr.strip())


class UserPlace(Place):
    """A Place whose files and programs are all that user's."""

    prefix = AS_USER

    def own(self):
        for folder, folders, files in os.walk(self.root):
            for path in [folder, *(os.path.join(folder, name) for name in folders + files)]:
                os.chown(path, UID, UID, follow_symlinks=False)


@contextlib.contextmanager
def user_place(**more):
    skip_unless_possible()
    with fuse_for_everybody():
        place = UserPlace(**more)
        try:
            yield place
        finally:
            place.close()


def an_ordinary_user_runs_an_agent_and_verifies_what_it_did():
    with user_place(files={'README': 'x\n', 'src/app.txt': 'one\n', 'src/cards.csv': f'name,card\nann,{CARD}\n',
                           'server.pem': 'private\n'}) as place:
        done = place.run(*SHELL, 'id -u; cat src/cards.csv; ls -a; cat server.pem; echo two >> src/app.txt; '
                         'echo x >> custody.yaml; git status --short', check=0)
        assert done['state'] == 'ready' and CARD not in done['stderr'], done
        assert 'server.pem' not in [line.strip() for line in done['stderr'].splitlines()], done['stderr']
        assert place.git('diff', '--name-only', 'main', 'custody/' + done['run']).split() == ['src/app.txt']
        assert '+two' in place.custody('change', 'diff', done['change'], check=0).stdout
        listed = json.loads(place.custody('change', 'list', '--json', check=0).stdout)
        assert [row['state'] for row in listed] == ['ready'], listed
        records = place.log('--run', done['run'])
        assert {'canary', 'cell.enforced', 'file.redacted', 'file.refused', 'change.made', 'run.ended'} <= {r['type'] for r in records}
        assert all(r['outcome'] in ('held', 'not-tried') for r in records if r['type'] == 'canary'), records
        assert place.verify()['result'] == 'holds'
        owners = {os.lstat(os.path.join(at, name)).st_uid for at, _, names in os.walk(place.home) for name in names}
        assert owners == {UID}, owners


def an_ordinary_users_doctor_says_that_it_can():
    with user_place() as place:
        done = place.custody('doctor', '--json')
        report = json.loads(done.stdout)
        assert done.returncode == 0 and report['enforceable'] is True, (done.returncode, report)


def an_ordinary_users_bad_ends_leave_nothing():
    with user_place() as place:
        for script, code in (('true', 2), ('exit 7', 2), ('setsid sleep 900 & echo x > a', 0), ('ln -s /etc/passwd out', 1)):
            done = place.run(*SHELL, script)
            assert done['exit'] == code, (script, done)
            assert place.left_behind(ledger=False) == [], script
        process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', 'sleep', '600'])
        run_id = place.wait_for_run(not_this=done['run'])
        os.kill(process.pid, 9)
        process.wait()
        assert place.left_behind(ledger=False) == []
        place.custody('runs', 'gc', check=0)
        ended = [r['reason'] for r in place.log('--run', run_id) if r['type'] == 'run.ended']
        assert ended == ['killed'], ended


def an_ordinary_users_build_cache_outlives_the_run():
    with user_place(policy_extra='resources: { build_cache: 16M }\n') as place:
        place.run(*SHELL, 'echo kept > ~/.cache/file; mkdir ~/.cache/closed; echo x > ~/.cache/closed/x')
        assert 'kept' in place.run(*SHELL, 'cat ~/.cache/file')['stderr']
        place.run(*SHELL, 'chmod 000 ~/.cache/closed')
        done = place.run(*SHELL, 'ls -A ~/.cache; echo end')  # it cannot be counted any more
        assert 'closed' not in done['stderr'] and 'end' in done['stderr'] and done['agent_exit'] == 0, done
        done = json.loads(place.custody('runs', 'gc', '--json', '--caches', check=0).stdout)
        assert [cache['removed'] for cache in done['caches']] == [True], done


def an_ordinary_users_toolchain_is_an_image():
    with user_place() as place:
        layout = Layout(place.root / 'image')
        layout.image([(base_layer(), 'gzip'), ([entry('etc/.wh.os-release'), entry('usr/bin/own', b'own\n')], '')])
        place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
        place.own()
        done = place.run(*SHELL, 'cat /usr/bin/own; ls /etc/os-release 2>/dev/null; touch /usr/x 2>/dev/null && echo WRITTEN; id -u')
        assert [line for line in done['stderr'].splitlines() if not line.startswith('custody')] == ['own', '1000'], done


def what_an_ordinary_users_run_has_said_is_kept_and_erased():
    with user_place(policy_extra='retention: { payloads: 90d }\n') as place:
        ticket = place.root / 'TICKET.md'
        ticket.write_text('# Add a line\n\nFor the patient in bed nine.\n')
        place.own()
        run_id = place.run(*SHELL, 'echo two >> src/app.txt', options=('--ticket', ticket), check=0)['run']
        rows = json.loads(place.custody('payload', 'list', '--run', run_id, '--json', check=0).stdout)
        assert [(row['kind'], row['state']) for row in rows] == [('ticket', 'kept'), ('diff', 'kept')], rows
        assert place.custody('payload', 'show', run_id, rows[0]['index'], check=0).stdout == ticket.read_text()
        assert '+two' in place.custody('payload', 'show', run_id, rows[1]['index'], check=0).stdout
        for name in (f'keys/scopes/{run_id}', f'payloads/{run_id}/{rows[0]["payload"]}'):
            seen = os.lstat(place.home / name)
            assert (seen.st_uid, stat.S_IMODE(seen.st_mode)) == (UID, 0o600), (name, seen)
        place.custody('erase', run_id, '--as', 'maria', '--reason', 'subject-request', check=0)
        place.custody('payload', 'show', run_id, rows[0]['index'], check=1)
        assert not (place.home / 'payloads' / run_id).exists()
        assert place.verify()['result'] == 'holds'


if __name__ == '__main__':
    main([an_ordinary_user_runs_an_agent_and_verifies_what_it_did,
          an_ordinary_users_doctor_says_that_it_can,
          an_ordinary_users_build_cache_outlives_the_run,
          an_ordinary_users_toolchain_is_an_image,
          what_an_ordinary_users_run_has_said_is_kept_and_erased,
          an_ordinary_users_bad_ends_leave_nothing])
