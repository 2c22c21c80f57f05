#!/usr/bin/env python3
"""The host's toolchains at work in a cell, a small project each: no network, packages from a read-only cache."""
import json
import os
import pathlib
import shutil
import sys
import textwrap

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, Skip, main, run, skip_without_registry

C_FILES = {'main.c': '#include <stdio.h>\nint add(int, int);\nint main(void) { printf("sum %d\\n", add(2, 3)); }\n',
           'add.c': 'int add(int a, int b) { return a + b; }\n'}
# Speaks the protocol over a pipe as an editor does: initialize, open, hover, the answer printed.
EDITOR = '''
import json, os, subprocess, sys
path, language, line, column = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
server = subprocess.Popen(sys.argv[5:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
def send(message):
    body = json.dumps({'jsonrpc': '2.0', **message}).encode()
    server.stdin.write(b'Content-Length: %d\\r\\n\\r\\n' % len(body) + body)
    server.stdin.flush()
def answer(wanted):
    while True:
        size = 0
        while (line := server.stdout.readline().strip()):
            if line.lower().startswith(b'content-length:'):
                size = int(line.split(b':')[1])
        if not size:
            sys.exit('the server has gone')
        got = json.loads(server.stdout.read(size))
        if 'method' in got and 'id' in got:
            asked = got.get('params', {}).get('items')
            send({'id': got['id'], 'result': [None] * len(asked) if asked else None})
        elif got.get('id') == wanted:
            return got
root, file = 'file://' + os.getcwd(), 'file://' + os.path.abspath(path)
send({'id': 1, 'method': 'initialize', 'params': {'processId': None, 'rootUri': root,
      'workspaceFolders': [{'uri': root, 'name': 'work'}], 'capabilities': {}}})
answer(1)
send({'method': 'initialized', 'params': {}})
send({'method': 'textDocument/didOpen', 'params': {'textDocument': {'uri': file, 'languageId': language, 'version': 1,
      'text': open(path).read()}}})
send({'id': 2, 'method': 'textDocument/hover', 'params': {'textDocument': {'uri': file},
      'position': {'line': line, 'character': column}}})
print('hover', json.dumps(answer(2).get('result')))
server.kill()
'''


def needs(*programs):
    """A cell has the host's /usr: what lies elsewhere is not there."""
    for program in programs:
        found = shutil.which(program, path='/usr/local/bin:/usr/bin:/bin')
        if not found or not os.path.realpath(found).startswith('/usr/'):
            raise Skip(f'{program} is not installed below /usr')


def in_cell(files, script, *expected, policy='', changes=None):
    """Runs the script in a cell of a repository of `files`; all of `expected` must have been printed, `changes` changed."""
    place = Place(files=files)
    try:
        place.policy(policy)
        done = place.run('/bin/sh', '-ec', textwrap.dedent(script), timeout=400)
        assert done.get('agent_exit') == 0, done
        for words in expected:
            assert words in done['stderr'], (words, done['stderr'][-3000:])
        if changes is not None:
            shown = place.git('diff', '--name-only', 'main', f'custody/{done["run"]}').split() if done.get('change') else []
            assert shown == list(changes), (shown, done)
        return done
    finally:
        place.close()


def make_and_gcc():
    needs('make', 'gcc')
    makefile = 'app: main.o add.o\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -c -o $@ $<\n'
    in_cell({**C_FILES, 'Makefile': makefile}, 'make -j2 && ./app && touch add.c && make', 'sum 5')


def clang_compiles():
    needs('clang')
    in_cell(C_FILES, 'clang -O2 -g -o app main.c add.c && ./app', 'sum 5')


def cmake_and_ninja():
    needs('cmake', 'ninja', 'gcc')
    listing = 'cmake_minimum_required(VERSION 3.16)\nproject(app C)\nadd_executable(app main.c add.c)\n'
    in_cell({**C_FILES, 'CMakeLists.txt': listing}, 'cmake -G Ninja -B out . && ninja -C out && out/app', 'sum 5')


def python_and_pytest():
    needs('pytest')
    files = {'app.py': 'def add(a, b):\n    return a + b\n',
             'test_app.py': 'from app import add\n\n\ndef test_add(tmp_path):\n    assert add(2, 3) == 5\n'}
    in_cell(files, 'export PYTHONDONTWRITEBYTECODE=1; /usr/bin/python3 -m pytest -q; cat .pytest_cache/.gitignore',
            '1 passed', 'Created by pytest', changes=())


def own_ignore_files_never_become_a_change():
    """A cache that is new ignores itself and is left out; any other .gitignore is refused, or blocks what has it."""
    script = '''
        mkdir -p cache/deep part; echo '*' > cache/.gitignore; echo x > cache/deep/x
        for path in .gitignore src/.gitignore cache/.gitattributes cache/.gitmodules part/.git/config; do
            (mkdir -p $(dirname $path) && echo '*' > $path) 2>/dev/null && echo "WRITTEN $path"
        done
        rm -r src && mkdir src && (echo '*' > src/.gitignore) 2>/dev/null && echo 'WRITTEN src again'
        mkdir moved && echo '*' > moved/.gitignore; rmdir src; mv moved src 2>/dev/null && echo 'WRITTEN by rename'
        mkdir src; echo new > src/app.txt; true
    '''
    done = in_cell({'README': 'a sample\n', 'src/app.txt': 'one\n'}, script, changes=('src/app.txt',))
    assert 'WRITTEN' not in done['stderr'], done['stderr']
    place = Place(files=C_FILES)
    try:
        done = place.run('/bin/sh', '-ec', 'mkdir part; echo "*.o" > part/.gitignore; echo x > part/x.c')
        assert done['exit'] == 1 and 'write-denied' in done['reasons'], done
        assert 'blocked: part/.gitignore' in done['stderr'], done['stderr']
    finally:
        place.close()


def node_runs():
    needs('node')
    in_cell({'add.js': 'module.exports = (a, b) => a + b\n'}, 'node -e \'console.log("sum", require("./add")(2, 3))\'', 'sum 5')


def java_compiles_and_runs():
    needs('javac', 'java')
    source = 'public class App { public static void main(String[] a) { System.out.println("sum " + (2 + 3)); } }\n'
    in_cell({'App.java': source}, 'javac -d out App.java && java -cp out App', 'sum 5')


def go_builds_and_tests():
    needs('go')
    files = {'go.mod': 'module example.org/app\n\ngo 1.18\n',
             'app.go': 'package main\n\nfunc add(a, b int) int { return a + b }\n\nfunc main() { println("sum", add(2, 3)) }\n',
             'app_test.go': 'package main\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n\tif add(2, 3) != 5 {\n'
                            '\t\tt.Fatal("wrong")\n\t}\n}\n'}
    in_cell(files, 'export GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0; go build -o app . && ./app && go test ./...',
            'sum 5', 'ok')


def go_keeps_its_build_cache():
    """The second run's compiler has nothing to do: what the first one built is in the repository's build cache."""
    needs('go')
    place = Place(files={'go.mod': 'module example.org/app\n\ngo 1.18\n',
                         'app.go': 'package main\n\nfunc main() { println("sum", 2+3) }\n'},
                  policy_extra='resources: { build_cache: 1G }\n')
    try:
        script = 'export GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0; go build -x -o /tmp/app . 2>&1 | grep -c /compile; /tmp/app'
        first, second = [place.run('/bin/sh', '-c', script, timeout=400) for _ in range(2)]
        assert 'sum 5' in first['stderr'] and '\n0\n' not in first['stderr'], first
        assert 'sum 5' in second['stderr'] and '\n0\n' in second['stderr'], second
    finally:
        place.close()


def cargo_builds_and_tests():
    """A crate that depends on a vendored one, whose target folder is in the build cache: the second run compiles nothing."""
    needs('cargo', 'rustc')
    manifest = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2018"\n'
    place = Place(files={'Cargo.toml': manifest.format('app') + '[dependencies]\nadder = { path = "vendor/adder" }\n',
                         'src/main.rs': 'fn main() { println!("sum {}", adder::add(2, 3)); }\n'
                                        '#[test]\nfn adds() { assert_eq!(adder::add(2, 3), 5); }\n',
                         'vendor/adder/Cargo.toml': manifest.format('adder'),
                         'vendor/adder/src/lib.rs': 'pub fn add(a: i32, b: i32) -> i32 { a + b }\n'},
                  policy_extra='resources: { build_cache: 1G }\n')
    try:
        script = ('export PATH=/usr/bin:/bin CARGO_TARGET_DIR=~/.cache/target; cargo build --offline && cargo run -q --offline && '
                  'cargo test --offline')
        first, second = [place.run('/bin/sh', '-c', script, timeout=400) for _ in range(2)]
        for done in (first, second):
            assert done['agent_exit'] == 0 and 'sum 5' in done['stderr'] and '1 passed' in done['stderr'], done
        assert 'Compiling adder' in first['stderr'] and 'Compiling' not in second['stderr'], second['stderr']
    finally:
        place.close()


def maven_compiles_offline():
    """Debian's repository of plugins instead of the network's."""
    needs('mvn', 'javac')
    repository = pathlib.Path('/usr/share/maven-repo')
    versions = {}
    for plugin in ('resources', 'compiler'):
        found = sorted((repository / f'org/apache/maven/plugins/maven-{plugin}-plugin').glob('3.*/*.jar'))
        if not found:
            raise Skip(f'libmaven-{plugin}-plugin-java is not installed')
        versions[plugin] = found[-1].parent.name
    if not (repository / 'org/junit/junit-bom').exists():
        raise Skip('junit5 is not installed')
    plugins = ''.join(f'<plugin><artifactId>maven-{name}-plugin</artifactId><version>{version}</version></plugin>'
                      for name, version in versions.items())
    pom = ('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>'
           '<artifactId>app</artifactId><version>1</version><properties><maven.compiler.source>11</maven.compiler.source>'
           '<maven.compiler.target>11</maven.compiler.target><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>'
           f'</properties><build><plugins>{plugins}</plugins></build></project>\n')
    source = 'package org.example;\npublic class App { public static void main(String[] a) { System.out.println("sum " + (2 + 3)); } }\n'
    in_cell({'pom.xml': pom, 'src/main/java/org/example/App.java': source},
            f'mvn -o -q -B -Dmaven.repo.local={repository} compile && java -cp target/classes org.example.App', 'sum 5',
            policy='paths: { scratch: [target] }\n')


def git_works():
    needs('git')
    script = '''
        git config --global user.name A; git config --global user.email a@example.org
        git status --short; echo two >> main.c; git stash; git stash pop; git commit -qam second
        git worktree add -q ../side HEAD 2>/dev/null || git worktree add -q "$HOME/side" HEAD
        git worktree list; git gc -q; git fsck
        echo commits "$(git rev-list --count HEAD)"
    '''
    in_cell(C_FILES, script, 'commits 2')


def sqlite_writes_and_reads():
    needs('sqlite3')
    in_cell(C_FILES, '''
        sqlite3 a.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(2),(3);'
        sqlite3 a.db "SELECT 'sum ' || sum(a) FROM t; PRAGMA integrity_check;"
    ''', 'sum 5', 'ok')


def clangd_answers():
    needs('clangd', 'python3')
    in_cell({**C_FILES, 'editor.py': EDITOR}, '/usr/bin/python3 editor.py add.c c 0 4 clangd', 'add')


def gopls_answers():
    needs('gopls', 'go', 'python3')
    files = {'go.mod': 'module example.org/app\n\ngo 1.18\n', 'editor.py': EDITOR,
             'app.go': 'package main\n\nfunc add(a, b int) int { return a + b }\n\nfunc main() { println(add(2, 3)) }\n'}
    in_cell(files, 'export GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod; /usr/bin/python3 editor.py app.go go 4 23 gopls', 'func add(a')


NODE_TOOLS = ('jest@29.7.0', 'pyright@1.1.350', 'typescript@5.4.5', 'typescript-language-server@4.3.3')


def node_tools():
    """Tools of npm's in a folder of the build's, installed once; a cell sees them as a read-only cache."""
    needs('node', 'npm', 'python3')
    folder = pathlib.Path(os.environ.get('CUSTODY_BUILD', 'build')).absolute() / 'node-tools'
    if not (folder / 'whole').exists():
        done = run(['npm', 'install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', *NODE_TOOLS],
                   env=dict(os.environ), timeout=300)
        if done.returncode:
            skip_without_registry()
            raise AssertionError(f'npm install: {done.stderr}')
        (folder / 'whole').touch()
    return f'caches: {{ lib/node_modules: {folder}/node_modules }}\n'


def jest_tests():
    files = {'add.js': 'module.exports = (a, b) => a + b;\n', 'package.json': '{"name": "app", "version": "1.0.0"}\n',
             'add.test.js': "const add = require('./add');\ntest('adds', () => expect(add(2, 3)).toBe(5));\n"}
    in_cell(files, 'node ~/lib/node_modules/jest/bin/jest.js --ci', '1 passed', policy=node_tools(), changes=())


def typescripts_and_pythons_servers_answer():
    files = {'editor.py': EDITOR, 'add.ts': 'function add(a: number, b: number): number { return a + b; }\nadd(2, 3);\n',
             'tsconfig.json': '{"files": ["add.ts"]}\n', 'add.py': 'def add(a: int, b: int) -> int:\n    return a + b\n\n\nadd(2, 3)\n'}
    script = ('/usr/bin/python3 editor.py add.ts typescript 1 1 node ~/lib/node_modules/typescript-language-server/lib/cli.mjs --stdio; '
              '/usr/bin/python3 editor.py add.py python 4 1 node ~/lib/node_modules/pyright/langserver.index.js --stdio')
    in_cell(files, script, 'function add(a: number', 'a: int', policy=node_tools())


def npm_installs_from_a_cache():
    """npm's cache is filled outside; in the cell it is one of the policy's read-only caches, and copied, for npm locks it."""
    needs('node', 'npm')
    manifest = json.dumps({'name': 'app', 'version': '1.0.0', 'devDependencies': {'typescript': '5.4.5'}})
    place = Place(files={'package.json': manifest, '.gitignore': 'node_modules\n',
                         'app.ts': 'const sum: number = 2 + 3;\nconsole.log("sum " + sum);\n'})
    try:
        cache = place.root / 'npm-cache'
        filled = run(['npm', 'install', '--ignore-scripts', '--omit-lockfile-registry-resolved=false', '--no-audit',
                      '--no-fund', '--cache', cache], cwd=place.repo, env=dict(os.environ), timeout=240)
        if filled.returncode:
            skip_without_registry()
            raise AssertionError(f'npm install: {filled.stderr}')
        shutil.rmtree(place.repo / 'node_modules')
        place.commit('locked')
        place.policy(f'caches: {{ .cache/npm: {cache} }}\n')
        done = place.run('/bin/sh', '-ec', 'cp -r ~/.cache/npm ~/.npm; npm ci --offline --no-audit --no-fund --ignore-scripts;'
                         './node_modules/.bin/tsc app.ts && node app.js', timeout=400)
        assert done.get('agent_exit') == 0 and 'sum 5' in done['stderr'], done
    finally:
        place.close()


def nothing_of_the_home_of_who_runs_it():
    place = Place(files=C_FILES)
    try:
        (place.root / '.npmrc').write_text('init-author-name=somebody\n')
        (place.root / '.gitconfig').write_text('[user]\n\tname = somebody\n')
        done = place.run('/bin/sh', '-c', 'cat ~/.npmrc ~/.gitconfig; git config --get user.name; echo home "$HOME"; exit 0')
        assert 'home /' in done['stderr'] and 'somebody' not in done['stderr'], done
        assert f'home {place.root}' not in done['stderr'], done
    finally:
        place.close()


if __name__ == '__main__':
    main([make_and_gcc, clang_compiles, cmake_and_ninja, python_and_pytest, own_ignore_files_never_become_a_change, node_runs,
          java_compiles_and_runs, maven_compiles_offline, go_builds_and_tests, go_keeps_its_build_cache, cargo_builds_and_tests,
          git_works, sqlite_writes_and_reads, clangd_answers, gopls_answers, jest_tests, typescripts_and_pythons_servers_answer,
          npm_installs_from_a_cache, nothing_of_the_home_of_who_runs_it])
