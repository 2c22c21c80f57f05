"""What bench/classify/run measures on: ordinary source, a tree of many files under git, bodies of prompts."""
import json
import os
import pathlib
import random
import shutil
import subprocess

# C, Go, Java, Python, JavaScript, Ruby; what cannot be had is left out and named.
PACKAGES = ('git', 'redis', 'golang-golang-x-net', 'libcommons-lang3-java', 'requests', 'flask', 'ruby-rack', 'zlib', 'jansson')
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
MIRROR = 'http://deb.debian.org/debian'
FETCH_SECONDS = 120
HOST_FOLDERS = ('/usr/include', '/usr/lib/python3', '/usr/share/perl')
HOST_BYTES = 40_000_000
FILE_BYTES_MAX = 1 << 20
PROMPTS = 50


def apt_options(folder):
    """apt with lists of sources of its own: those of the host stay as they are."""
    (folder / 'lists/partial').mkdir(parents=True, exist_ok=True)
    (folder / 'sources.list').write_text(f'deb-src [signed-by={KEYRING}] {MIRROR} bookworm main\n')
    settings = {'Dir::Etc::sourcelist': folder / 'sources.list', 'Dir::Etc::sourceparts': '-', 'Dir::State::lists': folder / 'lists',
                'Dir::Cache::pkgcache': '', 'Dir::Cache::srcpkgcache': '', 'APT::Sandbox::User': 'root'}
    return [word for key, value in settings.items() for word in ('-o', f'{key}={value}')]


def quietly(command, folder):
    try:
        return subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=FETCH_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def debian_sources(folder):
    """Unpacks PACKAGES below folder/unpacked once. What could not be had."""
    unpacked = folder / 'unpacked'
    unpacked.mkdir(parents=True, exist_ok=True)
    options = apt_options(folder)
    missing = [package for package in PACKAGES if not (unpacked / package).is_dir()]
    if missing and not quietly(['apt-get', *options, '-qq', 'update'], folder):
        return missing
    for package in list(missing):
        part = folder / 'part'
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        got = quietly(['apt-get', *options, '-qq', 'source', package], part)
        trees = [path for path in part.iterdir() if path.is_dir()]
        if got and trees:
            trees[0].rename(unpacked / package)
            missing.remove(package)
    return missing


def host_sources(folder):
    """A stand-in: some of what this host has installed."""
    room = HOST_BYTES
    for name in HOST_FOLDERS:
        for path in sorted(pathlib.Path(name).rglob('*')):
            if room <= 0:
                return
            if path.is_file() and not path.is_symlink() and path.suffix in ('.h', '.py', '.pm', '.pl', '.c'):
                to = folder / path.relative_to('/')
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
                room -= path.stat().st_size


def ordinary_source(work):
    """(folder, what it is)"""
    missing = debian_sources(work / 'debian')
    unpacked = work / 'debian/unpacked'
    got = [package for package in PACKAGES if package not in missing]
    if got:
        return unpacked, f'Debian sources of {", ".join(got)}' + (f'; could not be had: {", ".join(missing)}' if missing else '')
    if not (work / 'host').is_dir():
        host_sources(work / 'host')
    return work / 'host', 'no Debian source could be had (apt-get source): files of /usr/include and /usr/lib/python3 instead'


def texts(folder):
    """(name, bytes) of the files that are text."""
    for path in sorted(folder.rglob('*')):
        if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size <= FILE_BYTES_MAX:
            content = path.read_bytes()
            if b'\0' not in content:
                yield path.name, content


def tree(folder, source, files, bytes_max):
    """A repository of `files` files, committed: the texts of `source` again and again, no two files the same."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    at, room = 0, bytes_max
    least = list(texts(source))
    random.Random(7).shuffle(least)
    while at < files and room > 0 and least:
        for name, content in least:
            if at >= files or room <= 0:
                break
            into = folder / f'd{at % 40:02d}' / f'e{at // 40 % 40:02d}'
            into.mkdir(parents=True, exist_ok=True)
            (into / f'{at}-{name}').write_bytes(content + b'# %d\n' % at)
            at += 1
            room -= len(content)
    git = ['git', '-c', 'user.name=bench', '-c', 'user.email=bench@example.com', '-c', 'core.fsync=none']
    for words in (['init', '-q'], ['add', '-A', '-f'], ['commit', '-q', '-m', 'tree']):
        subprocess.run([*git, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return at, bytes_max - room


def prompts(folder, source, size=100_000):
    """Bodies of requests as agents send them: files and questions in strings of JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(7)
    parts = [content.decode('utf-8', 'replace')[:8000] for _, content in texts(source)]
    paths = []
    for number in range(PROMPTS):
        messages, length = [], 0
        while length < size:
            text = 'The file is\n' + chance.choice(parts)
            messages.append({'role': 'user' if len(messages) % 2 == 0 else 'assistant', 'content': [{'type': 'text', 'text': text}]})
            length += len(json.dumps(text))
        paths.append(folder / f'{number}.json')
        paths[-1].write_text(json.dumps({'model': 'bench', 'max_tokens': 1024, 'messages': messages}))
    return paths


def environment(work):
    return dict(os.environ, CUSTODY_HOME=str(work / 'home'), XDG_CACHE_HOME=str(work / 'cache'), XDG_STATE_HOME=str(work / 'state'))
