"""What a newcomer gets wrong in the first hour: each is said, with what to do, and nothing is decided on a wrong ground."""
import json
import os
import shutil
import subprocess

from harness import Place, main


def a_policy_is_looked_at_from_the_root_alone():
    place = Place(files={'README': 'x\n', 'src/app.txt': 'one\n'})
    try:
        for verb in (('check',), ('show',), ('explain', 'app.txt')):
            done = place.custody('policy', *verb, '--repo', place.repo / 'src', check=3)
            assert f'{place.repo / "src"} is not the root of a git repository; {place.repo} is one' in done.stderr, done
        done = place.custody('policy', 'check', '--repo', place.home, check=3)
        assert 'is not a git repository' in done.stderr, done
    finally:
        place.close()


def a_path_is_explained_as_the_view_names_it():
    place = Place()
    try:
        told = json.loads(place.custody('policy', 'explain', './src//server.key', '--json', check=0).stdout)
        assert told['path'] == 'src/server.key' and told['read'] == 'deny', told
        for path in ('/src/server.key', '../server.key', 'src/../server.key', '.', ''):
            done = place.custody('policy', 'explain', path, check=3)
            assert "PATH counts from the repository's root" in done.stderr, (path, done)
    finally:
        place.close()


def init_says_what_is_not_committed_and_commits_it_later():
    place = Place()
    try:
        place.git('rm', '-q', 'custody.yaml')
        place.commit('no policy')
        assert 'in none' in place.custody('init', check=0).stdout
        done = json.loads(place.custody('init', '--json', check=0).stdout)
        assert done['made_repository_policy'] is False and done['committed'] is False, done
        names = {'GIT_AUTHOR_NAME': 'Dev', 'GIT_AUTHOR_EMAIL': 'dev@example.org', 'GIT_COMMITTER_NAME': 'Dev',
                 'GIT_COMMITTER_EMAIL': 'dev@example.org'}
        assert 'in none' not in place.custody('init', '--commit', env=names, check=0).stdout
        assert place.git('log', '-1', '--format=%s').strip() == 'Add custody.yaml'
        assert json.loads(place.custody('init', '--json', check=0).stdout)['committed'] is True
    finally:
        place.close()


def what_cannot_be_run_says_which_part_is_wrong():
    place = Place(repository_policy='version: 1\nrepository: billing\nowner: tom\nagents: { planner: { write: none } }\n')
    try:
        place.policy(models=('openai',))
        ticket = place.root / 'ticket.md'
        ticket.write_text('Do it.\n')
        cases = [
            (('--role', 'planer', '--', 'true'), 'use', 'no role planer; `agents` of custody.yaml names planner'),
            (('--engine', 'codex'), 'use', '--ticket is missing'),
            (('--ticket', ticket), 'use', '--engine is missing'),
            (('--engine', 'codex', '--ticket', ticket, '--', 'true'), 'use', '--engine codex and -- COMMAND'),
            (('--engine', 'codex', '--ticket', ticket), 'engine', 'speaks openai-responses, and no model of the policy does (onprem: openai)'),
            (('--base', '-x', '--', 'true'), 'repository', 'not the name of a branch'),
            (('--', './README'), 'agent-start', 'start ./README: Permission denied'),
            (('--', 'no-such-program'), 'agent-start', 'start no-such-program: No such file'),
            (('--requester', 'eve', '--', 'true'), 'requester', '`people` in policy.yaml names who is'),
            (('--base', 'nowhere', '--', 'true'), 'repository', 'no such commit: nowhere'),
        ]
        for words, reason, text in cases:
            done = place.custody('run', '--repo', place.repo, '--requester', 'tom', '--json', *words, check=3)
            assert json.loads(done.stdout)['reasons'] == [reason] and text in done.stderr, (words, done)
        for verb in (('view',), ('policy', 'explain')):
            done = place.custody(*verb, '--role', 'planer', 'README', check=3)
            assert 'no role planer' in done.stderr, done
        assert place.run('true', options=('--role', 'planner'))['reasons'] == ['no-change']
        assert place.run('true')['reasons'] == ['no-change']  # the role that always is
    finally:
        place.close()


def a_commit_without_custody_yaml_is_told_of():
    place = Place()
    try:
        told = "the commit has no custody.yaml: the organisation's policy alone applies"
        assert told not in place.run('true')['stderr']
        place.git('rm', '-q', '--cached', 'custody.yaml')
        place.git('commit', '-q', '-m', 'without')
        assert (place.repo / 'custody.yaml').exists() and told in place.run('true')['stderr']
    finally:
        place.close()


def a_repository_whose_path_cannot_be_printed_is_refused_and_spoils_no_list():
    place = Place()
    try:
        for name in (b'a\nb', b'a\xe9', b'a\x1b[31m'):
            folder = os.path.join(os.fsencode(place.root), name)
            os.rename(place.repo, folder)
            done = subprocess.run([place.program, 'run', '--repo', folder, '--json', '--', 'true'], env=place.env, capture_output=True)
            os.rename(folder, place.repo)
            assert done.returncode == 3 and b'rename or move that folder' in done.stderr, done
        rows = json.loads(place.custody('runs', '--json', check=0).stdout)
        assert len(rows) == 3 and len(place.custody('runs', check=0).stdout.splitlines()) == 3, rows
        shutil.copytree(place.repo, place.root / '100%')
        done = place.custody('run', '--repo', place.root / '100%', '--requester', 'tom', '--json', '--', 'true', check=2)
        started = place.log('--type', 'run.started', '--run', json.loads(done.stdout)['run'])
        assert started[0]['object']['repository'].endswith('/100%25'), started
    finally:
        place.close()


def a_model_that_cannot_be_reached_is_named():
    place = Place()
    try:
        ticket = place.root / 'ticket.md'
        ticket.write_text('Do it.\n')
        done = place.run(options=('--engine', 'custody-agent', '--ticket', ticket), check=2)
        assert 'calls of a model failed' in done['stderr'] and 'onprem, http://127.0.0.1:9/v1' in done['stderr'], done
    finally:
        place.close()


def what_is_too_large_to_look_into_is_explained():
    place = Place(files={'README': 'x\n', 'big.bin': b'\0' * (65 << 20)})
    try:
        done = place.custody('view', 'big.bin', check=1)
        assert 'deny by data.' in done.stderr and 'not looked into' in done.stderr, done
        place.write('custody.yaml', 'version: 1\nrepository: billing\nowner: tom\n')
        place.policy('data: { phi: { view: allow, model: deny }, pan: { view: allow, model: deny }, secret: { view: allow, model: deny }, '
                     'pii: { view: allow, model: deny } }\n')
        place.commit('all may be read')
        assert 'too large to be shown' in place.custody('view', 'big.bin', check=1).stderr
    finally:
        place.close()


if __name__ == '__main__':
    main([what_cannot_be_run_says_which_part_is_wrong, a_commit_without_custody_yaml_is_told_of,
          a_repository_whose_path_cannot_be_printed_is_refused_and_spoils_no_list, a_model_that_cannot_be_reached_is_named,
          what_is_too_large_to_look_into_is_explained,
          a_policy_is_looked_at_from_the_root_alone, a_path_is_explained_as_the_view_names_it,
          init_says_what_is_not_committed_and_commits_it_later])
