"""What stands between load and provider in the gateway's benchmarks, and what of it can be measured from outside."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(tempfile.mkdtemp(prefix='custody-bench-gateway-'))
ROOT.chmod(0o711)
TEXT = ROOT / 'text'
ONE, OTHER = '0', '1' if os.cpu_count() > 1 else '0'
PARTS = ['bench/bench-gateway-load', 'bench/bench-gateway-provider', 'bench/bench-gateway-custody']
NGINX = '''
worker_processes 1; pid {root}/nginx.pid; error_log {root}/nginx.log crit; daemon off;
worker_rlimit_nofile 65536;
events {{ worker_connections 20000; }}
http {{
  access_log off; client_max_body_size 64m; client_body_buffer_size 1m; client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  keepalive_requests 1000000000; tcp_nodelay on;
  upstream provider {{ server 127.0.0.1:{provider}; keepalive 8192; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ proxy_pass http://provider; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; }} }}
}}
'''


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f'nothing listens at {port}')


def die_with_me():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start(words, processor, **more):
    return subprocess.Popen(['taskset', '-c', processor, *map(str, words)], preexec_fn=die_with_me, **{'stdout': subprocess.DEVNULL, **more})


def family(pid):
    """A process and all below it."""
    found = [pid]
    for other in os.listdir('/proc'):
        if other.isdigit():
            try:
                parent = int(pathlib.Path(f'/proc/{other}/stat').read_text().rsplit(')', 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid and int(other) != pid:
                found += family(int(other))
    return found


def processor_us(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
            total += int((task / 'schedstat').read_text().split()[0])
    return total / 1000


def user_share(pid):
    """How many of the clock's ticks met it in its own code, and in the kernel."""
    user, kernel = (int(word) for word in pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[11:13])
    return user, kernel


def memory_kb(pids):
    """Proportional: what is shared is counted once."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
            if line.startswith('Pss:'):
                total += int(line.split()[1])
    return total


class Provider:
    def __init__(self, build, processor, chunks=0, gap_us=0):
        self.port = free_port()
        self.process = start([build / 'bench/bench-gateway-provider', '--port', self.port, '--chunks', chunks, '--gap-us', gap_us], processor)
        wait_for(self.port)

    def end(self):
        self.process.kill()
        self.process.wait()


class Direct:
    name, header = 'no proxy', ''

    def __init__(self, build, provider, processor):
        self.port, self.pids, self.ledger = provider.port, [], None

    def end(self):
        pass


class Nginx:
    name, header = 'nginx 1.22, plain reverse proxy', ''

    def __init__(self, build, provider, processor):
        self.port = free_port()
        (ROOT / 'nginx.conf').write_text(NGINX.format(root=ROOT, provider=provider.port, port=self.port))
        self.process = start(['/usr/sbin/nginx', '-p', ROOT, '-c', ROOT / 'nginx.conf'], processor, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        while len(family(self.process.pid)) < 2:  # its worker
            time.sleep(0.05)
        self.pids, self.ledger = family(self.process.pid), None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Portkey:
    name = 'Portkey gateway'

    def __init__(self, build, provider, processor):
        self.port = free_port()
        self.header = f'x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{provider.port}/v1'
        self.process = start(['node', ROOT / 'node_modules/@portkey-ai/gateway/build/start-server.js', f'--port={self.port}', '--headless'],
                             processor, stderr=subprocess.DEVNULL, env={**os.environ, 'TRUSTED_CUSTOM_HOSTS': '127.0.0.1,localhost'})
        wait_for(self.port)
        self.pids, self.ledger = family(self.process.pid), None

    def end(self):
        self.process.kill()
        self.process.wait()


class Custody:
    header = ''

    def __init__(self, build, provider, processor):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=ROOT))
        self.folder.chmod(0o711)
        self.process = start([build / 'bench/bench-gateway-custody', '--provider', provider.port, '--scan', self.scan, '--ledger', self.keeps,
                              '--folder', self.folder], processor, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit('bench-gateway-custody has not started')
        said = json.loads(line)
        self.port, self.pids, self.ledger = said['port'], [said['door'], said['gateway']], said['ledger']
        time.sleep(0.3)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Off(Custody):
    name, scan, keeps = 'custody, data path, no classification', 'off', 'off'


class On(Custody):
    name, scan, keeps = 'custody, data path, classification', 'on', 'off'


class Full(Custody):
    name, scan, keeps = '**custody in full**, ledger included', 'on', 'on'


def load(build, subject, processor, **options):
    """Starts the load; what it says comes with its end."""
    words = [build / 'bench/bench-gateway-load', '--port', subject.port, '--text', TEXT]
    if subject.header:
        words += ['--header', subject.header]
    for name, value in options.items():
        words += [f'--{name.replace("_", "-")}', value]
    return start(words, processor, stdout=subprocess.PIPE, text=True)


def prepare(*builds):
    for build in builds:
        if not (build / 'build.ninja').exists():
            continue  # programs that were kept
        done = subprocess.run(['ninja', '-C', build, *PARTS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout[-2000:])
    here = pathlib.Path(__file__).resolve().parent.parent.parent
    sources = [path for part in ('base', 'cell', 'ledger', 'os', 'view', 'wire') for path in sorted((here / 'src' / part).glob('*.c'))]
    TEXT.write_bytes(b''.join(path.read_bytes() for path in sources)[:4_000_000])  # programs: what coding agents send


def table(title, columns, rows):
    print(f'\n### {title}\n\n| {" | ".join(columns)} |\n|{"---|" * len(columns)}')
    for row in rows:
        print(f'| {" | ".join(str(cell) for cell in row)} |')
    sys.stdout.flush()
