"""How quick the classifier is: in memory, for a prompt, and over a tree of files end to end."""
import os
import shutil
import statistics
import subprocess
import sys
import time

import ground

MEGABYTES = 40
PROMPT_ROUNDS = 5


def say(title, lines):
    print(f'\n{title}\n')
    for line in lines:
        print(f'    {line}')
    print(flush=True)


def output(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def in_memory(build, source):
    say(f'In memory, one core, processor time, best of 3 ({MEGABYTES} MB of the same source). Goals: secrets 1.2 GB/s, all rules 0.9',
        output([build / 'bench/bench-engine', source, str(MEGABYTES)]))


def prompts(build, paths):
    say('A prompt, processor time. Goal: read and looked through in 160 us',
        output([build / 'bench/bench-prompt', str(PROMPT_ROUNDS), *paths]))


# A process has the peak of what started it, too: this starter is small (10 MB).
STARTER = '''
import os, sys
null = os.open(os.devnull, os.O_WRONLY)
child = os.fork()
if child == 0:
    os.dup2(null, 1), os.dup2(null, 2)
    os.execvp(sys.argv[1], sys.argv[1:])
print(os.wait4(child, 0)[2].ru_maxrss)
'''


def peak_megabytes(command, folder, env):
    """Of the largest of its processes."""
    done = subprocess.run([sys.executable, '-S', '-c', STARTER, *map(str, command)], cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout) / 1024


def timed(command, folder, env):
    """(seconds, seconds of processor)"""
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    took = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1, 2):
        raise RuntimeError(f'{command[0]} ended with {child.returncode}')
    return took, used.ru_utime + used.ru_stime


def row(name, runs, size):
    wall, cpu = (statistics.median(run[i] for run in runs) for i in (0, 1))
    print(f'| {name} | {wall:.3f} | {cpu:.3f} | {size / cpu / 1e9:.3f} |')
    return wall


def tree(custody, work, source, asked):
    folder = work / 'tree'
    files, size = ground.tree(folder, source, asked.files, asked.megabytes * 1_000_000)
    env = ground.environment(work)
    empty = work / 'empty'
    empty.mkdir(exist_ok=True)
    for name in ('home', 'cache', 'state'):
        shutil.rmtree(work / name, ignore_errors=True)  # rules and verdicts of an earlier run
    first = timed([custody, 'scan', '.'], empty, env)[0]
    starts = [timed([custody, 'scan', '.'], empty, env) for _ in range(10)]
    alone = [timed([custody, '--version'], empty, env) for _ in range(10)]
    start = {name: min(run[i] for run in runs) * 1e3 for name, runs, i in (('scan', starts, 0), ('bare', alone, 0), ('cpu', starts, 1))}
    print(f'\nA tree of {files} files, {size / 1e6:.0f} MB, committed; medians of {asked.rounds}, in turn. Goals: end to end 0.5 GB/s a core; '
          'the second scan 1.5 times git status\n\n| what | wall s | processor s | GB/s a core |\n|---|---|---|---|')
    subprocess.run(['git', 'status', '--porcelain'], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    timed([custody, 'scan', '.'], folder, env)  # keeps the verdicts; --fresh keeps none
    fresh, again, status = [], [], []
    for _ in range(asked.rounds):
        fresh.append(timed([custody, 'scan', '--fresh', '.'], folder, env))
        again.append(timed([custody, 'scan', '.'], folder, env))
        status.append(timed(['git', 'status', '--porcelain'], folder, env))
    row('custody scan, every file looked into', fresh, size)
    second = row('custody scan, verdicts known', again, size)
    beside = row('git status', status, size)
    print(f'\nSecond scan / git status: {second / beside:.2f} (goal 1.5)')
    print(f'\nMost memory of one process: `custody scan` of the tree {peak_megabytes([custody, "scan", "--fresh", "."], folder, env):.0f} MB, '
          f'git status {peak_megabytes(["git", "status"], folder, env):.0f} MB (goal 64)')
    print(f'\nStart: `custody scan` of an empty folder {start["scan"]:.1f} ms (processor {start["cpu"]:.1f}), least of 10, rules cached; '
          f'`custody --version` {start["bare"]:.1f} ms; the first, which makes the rules, {first * 1e3:.0f} ms. Goal: rules ready in 5 ms '
          '(above: "used in")', flush=True)
