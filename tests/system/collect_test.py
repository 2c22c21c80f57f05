#!/usr/bin/env python3
"""What an agent wrote becomes the tree that git itself would have made of it, in repositories of every shape."""
import contextlib
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, main, run

GIT_ENV = {'PATH': '/usr/bin:/bin', 'HOME': '/nowhere', 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_AUTHOR_NAME': 'Dev',
           'GIT_AUTHOR_EMAIL': 'dev@example.org', 'GIT_COMMITTER_NAME': 'Dev', 'GIT_COMMITTER_EMAIL': 'dev@example.org'}
FILES = {'src/app.c': 'int main(void) { return 0; }\n', 'src/run.sh': '#!/bin/sh\ntrue\n', 'crlf.txt': 'one\r\ntwo\r\n',
         'docs/a.md': '# a\n' * 20, 'docs/deep/b.md': '# b\n' * 20, 'bin.dat': bytes(range(256)) * 8,
         'Umlaut-\u00e4.txt': 'x\n', 'space name.txt': 'x\n'}
EDITS = '''
echo "int two;" >> src/app.c
printf 'three\\r\\n' >> crlf.txt
mv docs moved
chmod +x src/app.c
chmod -x src/run.sh
rm 'space name.txt'
ln -s src/app.c link
ln -s /etc/passwd.nowhere dangling && rm dangling
printf '\\000\\001\\377binary' > new.bin
mkdir empty && mkdir -p new/deep && echo deep > new/deep/file
python3 -c "open('bin.dat', 'r+b').truncate(100)"
'''


def git(folder, *words, check=0, env=None):
    return run(['git', '-C', folder, *words], env={**GIT_ENV, **(env or {})}, check=check).stdout


def tree_by_git(place, edits, folder=None):
    """The tree of a plain clone in which the same was done and committed by git."""
    clone = place.root / 'clone'
    shutil.rmtree(clone, ignore_errors=True)
    run(['git', 'clone', '-q', '--no-local', folder or place.repo, clone], env=GIT_ENV, check=0)
    run(['/bin/sh', '-c', edits], cwd=clone, check=0)
    git(clone, 'add', '-A')
    git(clone, 'commit', '-q', '--allow-empty', '-m', 'by hand')
    return git(clone, 'rev-parse', 'HEAD^{tree}').strip()


@contextlib.contextmanager
def another(place, repo):
    """The place with another repository in it."""
    before, place.repo = place.repo, repo
    try:
        yield
    finally:
        place.repo = before


def tree_by_custody(place, edits, repo=None):
    with another(place, repo or place.repo):
        done = place.run('/bin/sh', '-c', edits)
        assert done['state'] in ('ready', 'blocked') and done['change'], done
        assert done['agent_exit'] == 0, done
        return done, git(place.repo, 'rev-parse', f'custody/{done["run"]}^{{tree}}').strip()


def same_tree(edits, prepare=None, files=None):
    place = Place(files=FILES if files is None else files)
    try:
        if prepare is not None:
            prepare(place)
        expected = tree_by_git(place, edits)
        done, seen = tree_by_custody(place, edits)
        if seen != expected:
            raise AssertionError(git(place.root / 'clone', 'ls-tree', '-r', expected) + '\n---\n' +
                                 git(place.repo, 'ls-tree', '-r', seen) + repr(done['reasons']))
        git(place.repo, 'fsck', '--strict')
        return done
    finally:
        place.close()


def modes_links_renames_deletions_and_binary_files():
    same_tree(EDITS)


def a_racy_touch_changes_nothing():
    place = Place(files=FILES)
    try:
        done = place.run('/bin/sh', '-c', 'touch src/app.c; cp src/app.c x; cp x src/app.c; rm x; echo y > y; rm y; git status')
        assert done['state'] == 'empty', done
    finally:
        place.close()


def attributes_and_line_endings():
    """The agent sees the blobs' bytes; what it writes is the blob: no conversion on either side."""
    def prepare(place):
        place.write('.gitattributes', '*.txt -text\n*.bat text eol=crlf\n*.id ident\n*.u16 working-tree-encoding=UTF-16\n')
        place.write('a.txt', 'dos\r\n')
        place.write('v.id', '$Id$\n')
        place.commit('attributes')
        place.git('config', 'core.autocrlf', 'true')

    place = Place(files=FILES)
    try:
        prepare(place)
        blob = place.git('rev-parse', 'HEAD:a.txt').strip()
        done = place.run('/bin/sh', '-c', 'git hash-object --no-filters a.txt v.id; printf "more\\r\\n" >> a.txt; printf "plain\\n" > b.bat')
        assert blob in done['stderr'], done['stderr']
        branch = f'custody/{done["run"]}'
        show = [run(['git', '-C', place.repo, 'cat-file', 'blob', f'{branch}:{name}'], env=GIT_ENV, check=0).stdout
                for name in ('a.txt', 'b.bat', 'v.id')]
        raw = subprocess.run(['git', '-C', str(place.repo), 'cat-file', 'blob', f'{branch}:a.txt'], env=GIT_ENV,
                             stdout=subprocess.PIPE, check=True).stdout
        assert raw == b'dos\r\nmore\r\n' and show[1] == 'plain\n' and show[2] == '$Id$\n', (raw, show)
    finally:
        place.close()


def submodules_stay_as_they_are():
    place = Place(files=FILES)
    try:
        other = place.root / 'other'
        other.mkdir()
        git(other, 'init', '-q')
        (other / 'f').write_text('x\n')
        git(other, 'add', '-A')
        git(other, 'commit', '-q', '-m', 'x')
        git(place.repo, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', str(other), 'vendor/other')
        place.commit('submodule')
        link = place.git('ls-tree', 'HEAD', 'vendor/other')
        assert link.startswith('160000 commit'), link
        done = place.run('/bin/sh', '-c', '''
            ls -la vendor/other; echo x >> src/app.c; echo y > vendor/other/inside.txt && echo through
            mkdir vendor/other/sub && echo through; mv src/run.sh vendor/other/ && echo through
            ln src/run.sh vendor/other/run && echo through; rmdir vendor/other && echo through
            mv vendor elsewhere && echo through; mkdir new && mv -T new vendor/other && echo through; exit 0''')
        assert 'through' not in done['stderr'], done['stderr']
        refused = [r for r in place.log('--run', done['run']) if r.get('rule') == 'view.submodule']
        assert {r['operation'] for r in refused} == {'create', 'mkdir', 'rename', 'link', 'rmdir'}, refused
        assert place.git('ls-tree', f'custody/{done["run"]}', 'vendor/other') == link, done
    finally:
        place.close()


def lfs_pointers_are_text_like_any_other():
    pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:' + '4d' * 32 + '\nsize 12345\n'

    def prepare(place):
        place.write('.gitattributes', '*.psd filter=lfs diff=lfs merge=lfs -text\n')
        place.write('big.psd', pointer)
        place.commit('a pointer')

    place = Place(files=FILES)
    try:
        prepare(place)
        done = place.run('/bin/sh', '-c', 'cat big.psd; echo x >> src/app.c')
        assert 'git-lfs' in done['stderr'] and 'size 12345' in done['stderr'], done
        assert place.git('rev-parse', f'custody/{done["run"]}:big.psd') == place.git('rev-parse', 'HEAD:big.psd')
    finally:
        place.close()


def shallow_and_sparse_clones():
    place = Place(files=FILES)
    try:
        for number in range(3):
            place.write('n.txt', f'{number}\n')
            place.commit(f'{number}')
        expected = tree_by_git(place, EDITS)
        shallow = place.root / 'shallow'
        run(['git', 'clone', '-q', '--depth', '1', f'file://{place.repo}', shallow], env=GIT_ENV, check=0)
        assert tree_by_custody(place, EDITS, shallow)[1] == expected
        sparse = place.root / 'sparse'
        run(['git', 'clone', '-q', '--no-local', place.repo, sparse], env=GIT_ENV, check=0)
        git(sparse, 'sparse-checkout', 'set', 'src')
        assert not (sparse / 'docs').exists()
        assert tree_by_custody(place, EDITS, sparse)[1] == expected
    finally:
        place.close()


def a_partial_clone_is_refused_and_nothing_is_fetched():
    place = Place(files=FILES)
    try:
        git(place.repo, 'config', 'uploadpack.allowFilter', 'true')
        partial = place.root / 'partial'
        run(['git', 'clone', '-q', '--filter=blob:none', '--no-checkout', f'file://{place.repo}', partial], env=GIT_ENV, check=0)
        with another(place, partial):
            done = place.run('true')
        assert done['exit'] in (1, 2, 3) and done['state'] in ('failed', 'refused'), done
        missing = git(partial, 'rev-list', '--objects', '--missing=print', 'HEAD')
        assert any(line.startswith('?') for line in missing.splitlines()), 'something was fetched'
        assert 'partial' in done['stderr'] or 'missing' in done['stderr'], done['stderr']
    finally:
        place.close()


def worktrees_alternates_packed_refs_and_replace_refs():
    place = Place(files=FILES)
    try:
        expected = tree_by_git(place, EDITS)
        work = place.root / 'work'
        git(place.repo, 'worktree', 'add', '-q', '-b', 'side', str(work))
        assert (work / '.git').is_file()
        assert tree_by_custody(place, EDITS, work)[1] == expected
        sharing = place.root / 'sharing'
        run(['git', 'clone', '-q', '--shared', place.repo, sharing], env=GIT_ENV, check=0)
        with another(place, sharing):
            refused = place.run('true')
        assert refused['exit'] == 3 and 'git repack -a -d' in refused['stderr'], refused  # and what it says is done:
        git(sharing, 'repack', '-a', '-d', '-q')
        (sharing / '.git/objects/info/alternates').unlink()
        git(sharing, 'pack-refs', '--all')
        assert tree_by_custody(place, EDITS, sharing)[1] == expected
        place.write('src/app.c', 'int replaced;\n')
        other = place.git('hash-object', '-w', 'src/app.c').strip()
        place.git('checkout', '-q', 'src/app.c')
        place.git('replace', place.git('rev-parse', 'HEAD:src/app.c').strip(), other)
        assert tree_by_custody(place, EDITS)[1] == expected, 'a replacement was followed'
    finally:
        place.close()


def what_the_repository_would_run_is_never_run():
    place = Place(files=FILES)
    try:
        marker = place.root / 'marker'
        for hook in ('pre-commit', 'post-commit', 'post-checkout', 'reference-transaction', 'post-update', 'pre-auto-gc',
                     'post-index-change', 'fsmonitor-watchman', 'update', 'pre-receive', 'post-rewrite'):
            path = place.repo / '.git/hooks' / hook
            path.write_text(f'#!/bin/sh\necho {hook} >> {marker}\n')
            path.chmod(0o755)
        included = place.root / 'included'
        included.write_text(f'[core]\n\tfsmonitor = "echo include >> {marker}"\n')
        place.git('config', 'include.path', str(included))
        place.git('config', 'core.fsmonitor', f'echo fsmonitor >> {marker}')
        place.git('config', 'core.sshCommand', f'echo ssh >> {marker}')
        place.git('config', 'filter.x.clean', f'echo clean >> {marker}; cat')
        place.git('config', 'filter.x.smudge', f'echo smudge >> {marker}; cat')
        (place.repo / '.git/info').mkdir(exist_ok=True)
        (place.repo / '.git/info/attributes').write_text('* filter=x\n')
        done = place.run('/bin/sh', '-c', 'echo x >> src/app.c')
        assert done['state'] == 'ready', done
        place.custody('change', 'diff', done['change'], check=0)
        assert not marker.exists(), marker.read_text()
    finally:
        place.close()


def a_repository_without_a_commit_says_so():
    place = Place(files=FILES)
    try:
        fresh = place.root / 'fresh'
        fresh.mkdir()
        git(fresh, 'init', '-q')
        with another(place, fresh):
            done = place.run('true')
        assert done['exit'] == 3 and 'commit' in done['stderr'], done
    finally:
        place.close()


def names_that_differ_in_case_or_form():
    same_tree('echo 1 > README; echo 2 > readme; echo 3 > "caf\u00e9"; printf 4 > "$(printf \'cafe\\314\\201\')"', files=FILES)


def a_file_of_100_megabytes():
    edits = 'head -c 104857600 /dev/zero > large.bin; echo x >> src/app.c'
    place = Place(files=FILES)
    try:
        done = place.run('/bin/sh', '-c', edits, timeout=300)
        assert done['state'] == 'blocked' and 'file-too-large' in done['reasons'], done
    finally:
        place.close()


if __name__ == '__main__':
    main([modes_links_renames_deletions_and_binary_files, a_racy_touch_changes_nothing, attributes_and_line_endings,
          submodules_stay_as_they_are, lfs_pointers_are_text_like_any_other, shallow_and_sparse_clones,
          a_partial_clone_is_refused_and_nothing_is_fetched, worktrees_alternates_packed_refs_and_replace_refs,
          what_the_repository_would_run_is_never_run, a_repository_without_a_commit_says_so,
          names_that_differ_in_case_or_form, a_file_of_100_megabytes])
