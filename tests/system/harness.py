"""What system tests share: a state folder and a repository of their own, custody run as a user would, TAP output."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback

CUSTODY = os.path.abspath(os.environ.get('CUSTODY_PROGRAM', 'build/custody'))
# Test secrets are built from parts, so that no live-looking one stands in the repository.
CARD = '4111' + '1111' + '1111' + '1111'
TOKEN = 'ghp_' + 'a1B2c3D4e5F6g7H8i9J0' + 'k1L2m3N4o5P6q7R8'

MODEL_NAMES = {'openai': 'onprem', 'openai-responses': 'responses', 'anthropic': 'messages',
               'gemini': 'gemini'}


class Skip(Exception):
    """Raised with the reason why a test cannot run on this host."""


def run(argv, cwd=None, env=None, timeout=120, stdin=None, check=None):
    """Runs a program to its end; `check` is the exit code that it must have."""
    done = subprocess.run([str(word) for word in argv], cwd=cwd, env=env, timeout=timeout, input=stdin,
                          stdin=None if stdin is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace')
    if check is not None and done.returncode != check:
        raise AssertionError(f'{" ".join(map(str, argv))}: exit {done.returncode}, wanted {check}\n'
                             f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}')
    return done


@contextlib.contextmanager
def fuse_for_everybody(depth=[0]):
    """Ordinary hosts give /dev/fuse to all; where this one does not, it does so for the time of the test. May be nested."""
    try:
        device = open('/dev/fuse', 'rb', buffering=0)
    except OSError as why:
        raise Skip(f'/dev/fuse: {why}')
    with device:
        if depth[0] > 0:
            yield
            return
        fcntl.flock(device, fcntl.LOCK_EX)  # one at a time, or one would take the mode away from another
        mode = stat.S_IMODE(os.fstat(device.fileno()).st_mode)
        depth[0] += 1
        try:
            os.chmod('/dev/fuse', 0o666)
            yield
        finally:
            depth[0] -= 1
            os.chmod('/dev/fuse', mode)


def wait_until_free(path, seconds=30):
    """Waits until nobody holds the lock file: a ledger's daemon holds ledger/lock to its end."""
    deadline = time.monotonic() + seconds
    with open(path, 'a') as lock:
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, f'{path} is still held'
                time.sleep(0.05)


class Place:
    """A state folder, a repository and two people with keys, below one temporary folder."""

    prefix = ()  # words before every program: setpriv for another user

    def own(self):
        """Hands what is there to the user of `prefix`."""

    def __init__(self, policy_extra='', files=None, repository_policy=None, keep=False):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix='custody-test-'))
        self.root.chmod(0o755)
        self.home = self.root / 'home'
        self.repo = self.root / 'billing'
        self.env = {'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': str(self.root), 'LANG': 'C.UTF-8',
                    'CUSTODY_HOME': str(self.home), 'CUSTODY_LEDGER_LINGER_MS': '300'}
        self.processes = []
        self.program = CUSTODY
        if self.prefix:  # the build folder may be out of that user's reach
            self.program = shutil.copy(CUSTODY, self.root / 'custody')
        self.repo.mkdir()
        self.keys = {}
        for person in ('maria', 'tom'):
            key = self.root / f'{person}.key'
            run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', person, '-f', key], check=0)
            self.keys[person] = key
        self.own()
        self.git('init', '-q', '-b', 'main')
        for name, content in (files or {'README': 'a sample\n', 'src/app.txt': 'one\ntwo\n'}).items():
            self.write(name, content)
        self.own()
        self.custody('init', '--repo', self.repo, check=0)
        self.policy(policy_extra)
        written = (self.repo / 'custody.yaml').read_text()
        (self.repo / 'custody.yaml').write_text(re.sub('(?m)^#?owner:.*$', 'owner: tom', written))
        if repository_policy is not None:
            (self.repo / 'custody.yaml').write_text(repository_policy)
        self.commit('first')

    def policy(self, extra='', model_url='http://127.0.0.1:9/v1', models=('openai', 'openai-responses', 'anthropic')):
        """Writes policy.yaml; `models`: the dialects that the one provider is asked in, a model each."""
        people = '\n'.join(
            f'  - {{ id: {person}, email: {person}@example.org, groups: [payments], '
            f'ssh: ["{pathlib.Path(str(key) + ".pub").read_text().strip()}"] }}'
            for person, key in self.keys.items())
        allowed = 'residency: on-premises, allow: [code, phi-redacted, pan-redacted]'
        rows = '\n'.join(f'  - {{ name: {MODEL_NAMES[dialect]}, url: "{model_url}", dialect: {dialect}, {allowed} }}'
                         for dialect in models)
        (self.home / 'policy.yaml').write_text(
            f'version: 1\npeople:\n{people}\nmodels:\n{rows}\nphase: regulated\n{extra}')

    def scripted_model(self, script):
        """Starts `custody scripted-model` with `script` (a dict); gives its port and the path of its log."""
        port, log = free_port(), self.root / f'model-{len(self.processes)}.log'
        path = self.root / 'script.json'
        path.write_text(json.dumps(script))
        self.start([CUSTODY, 'scripted-model', '--script', path, '--port', port, '--folder', self.repo, '--log', log],
                   stdout=subprocess.DEVNULL)
        wait_for_port(port)
        return port, log

    def write(self, name, content):
        path = self.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def git(self, *words, check=0):
        env = {'PATH': '/usr/bin:/bin', 'HOME': '/nowhere', 'GIT_CONFIG_NOSYSTEM': '1',
               'GIT_AUTHOR_NAME': 'Dev', 'GIT_AUTHOR_EMAIL': 'dev@example.org',
               'GIT_COMMITTER_NAME': 'Dev', 'GIT_COMMITTER_EMAIL': 'dev@example.org'}
        return run([*self.prefix, 'git', '-C', self.repo, *words], env=env, check=check).stdout

    def commit(self, message):
        self.own()
        self.git('add', '-A')
        self.git('commit', '-q', '-m', message)

    def custody(self, *words, check=None, env=None, **more):
        return run([*self.prefix, self.program, *words], env={**self.env, **(env or {})}, check=check, cwd=self.repo, **more)

    def run(self, *program, options=(), check=None, **more):
        """`custody run --json`; gives its JSON, with the whole of standard error as `stderr`."""
        done = self.custody('run', '--repo', self.repo, '--requester', 'tom', '--json', *options,
                            *(('--', *program) if program else ()), check=check, **more)
        result = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
        return {**result, 'exit': done.returncode, 'stderr': done.stderr, 'stdout': done.stdout}

    def wait_for_run(self, not_this=None):
        """Id of a run that is under way, once its agent has begun."""
        for _ in range(200):
            for row in json.loads(self.custody('runs', '--json').stdout or '[]'):
                if row['run'] != not_this and row['state'] == 'working':
                    time.sleep(0.2)
                    return row['run']
            time.sleep(0.05)
        raise AssertionError('the run never began')

    def log(self, *filters):
        done = self.custody('log', '--json', *filters, check=0)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]

    def verify(self, check=0):
        return json.loads(self.custody('verify', '--json', check=check).stdout)

    def start(self, argv, **more):
        process = subprocess.Popen([str(word) for word in argv], env=self.env, stdin=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        assert self.left_behind() == [], f'left behind: {self.left_behind()}'
        shutil.rmtree(self.root, ignore_errors=True)

    def left_behind(self, ledger=True, seconds=8):
        """
        Mounts and processes of this place that outlived their run. The ledger lingers a moment by design: it counts
        only where `ledger` says so.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = [line for line in open('/proc/self/mountinfo') if str(self.root) in line]
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try:
                    environ = open(f'/proc/{pid}/environ', 'rb').read()
                    line = open(f'/proc/{pid}/cmdline', 'rb').read()
                    name = open(f'/proc/{pid}/comm', 'rb').read()
                except OSError:
                    continue
                if not ledger and b'custody-ledger' in name:
                    continue
                if int(pid) != os.getpid() and (str(self.home).encode() in environ or str(self.root).encode() in line):
                    found.append(f'process {pid}: {name!r} {line!r}')
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)


def processes_below(core):
    """{pid: name} of what a process has started, and what that has."""
    parents, names = {}, {}
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        try:
            words = open(f'/proc/{pid}/stat').read()
        except OSError:
            continue
        names[pid], rest = words.split('(', 1)[1].rsplit(')', 1)
        parents[pid] = int(rest.split()[1])

    def is_below(pid):
        while pid in parents:
            pid = parents[pid]
            if pid == core:
                return True
        return False
    return {pid: name for pid, name in names.items() if is_below(pid)}


def installed_engines(engine):
    """A state folder with that engine, installed as a user does; skipped only where npm's registry cannot be reached."""
    home = pathlib.Path(os.environ.get('CUSTODY_BUILD', 'build')).absolute() / 'engine-home'
    (home / 'engines').mkdir(parents=True, exist_ok=True)
    done = run([CUSTODY, 'engine', 'install', engine], env={**os.environ, 'CUSTODY_HOME': str(home)}, timeout=600)
    if done.returncode == 0:
        return home
    skip_without_registry()
    raise AssertionError(f'engine install {engine}: {done.stderr}')


def installed_engine(name, text):
    """The folder of engines with one of a test's own in it, whose file is `text`, installed as a user does."""
    folder = pathlib.Path(os.environ.get('CUSTODY_BUILD', 'build')).absolute() / 'engine-home' / 'engines'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.yaml').write_text(text)
    return installed_engines(name) / 'engines'


def skip_without_registry():
    """Asked after npm has failed: raises Skip where its registry cannot be reached, else the failure is a real one."""
    seen = run(['npm', 'ping', '--fetch-retries=0'], env=dict(os.environ), timeout=120)
    if seen.returncode != 0:
        said = [line for line in seen.stderr.splitlines() if 'code' in line or 'errno' in line] or ['npm ping failed']
        raise Skip(f"npm's registry cannot be reached: {said[0][:120]}")


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f'nothing listens on port {port}')


def main(tests):
    """Runs the functions and prints TAP; a test that raises Skip says why."""
    wanted = sys.argv[1:]
    tests = [test for test in tests if not wanted or test.__name__ in wanted]
    print('TAP version 13')
    print(f'1..{len(tests)}', flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f'ok {number} - {test.__name__}', flush=True)
        except Skip as reason:
            print(f'ok {number} - {test.__name__} # SKIP {reason}', flush=True)
        except BaseException:
            failed += 1
            print(f'not ok {number} - {test.__name__}', flush=True)
            for line in traceback.format_exc().splitlines():
                print(f'# {line}', flush=True)
    sys.exit(1 if failed else 0)
