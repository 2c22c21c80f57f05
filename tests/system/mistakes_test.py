"""What a newcomer gets wrong in the first hour: each is said, with what to do, and nothing is decided on a wrong ground."""
import json

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


if __name__ == '__main__':
    main([a_policy_is_looked_at_from_the_root_alone, a_path_is_explained_as_the_view_names_it,
          init_says_what_is_not_committed_and_commits_it_later])
