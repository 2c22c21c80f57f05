"""What an agent does to files that hold stand-ins: the same edits are made in the cell and by the test."""
import random
import re

CARD = re.compile(r'(?<!\d)\d{16}(?!\d)')
GITHUB = re.compile(r'ghp_[A-Za-z0-9]{36}')

LANGUAGES = {
    'c': '#include <stdio.h>\n\nstatic const char *card = "{card}";\nstatic const char *other = "{other}";\n'
         '/* {comment} */\nstatic const char *token = "{token}";\n\nint main(void)\n{{\n    puts(card);\n    return {n};\n}}\n',
    'py': 'card = "{card}"\nother = "{other}"\n# {comment}\ntoken = "{token}"\n\n\ndef main():\n    print(card)\n    return {n}\n',
    'java': 'class C{n} {{\n    static String card = "{card}";\n    static String other = "{other}";\n    // {comment}\n'
            '    static String token = "{token}";\n    int main() {{ return {n}; }}\n}}\n',
    'js': 'const card = "{card}";\nconst other = "{other}";\n// {comment}\nconst token = "{token}";\nmodule.exports = {n};\n',
    'go': 'package main\n\nconst card = "{card}"\nconst other = "{other}"\n\n// {comment}\nconst token = "{token}"\n\n'
          'func main() {{ println(card, {n}) }}\n',
    'json': '{{\n  "card": "{card}",\n  "other": "{other}",\n  "comment": "{comment}",\n  "token": "{token}",\n  "n": {n}\n}}\n',
}


def luhn(digits):
    total = sum(d if i % 2 else d * 2 - 9 * (d > 4) for i, d in enumerate(map(int, reversed(digits))))
    return str((10 - total % 10) % 10)


def card_of(rng):
    body = '4' + ''.join(rng.choice('0123456789') for _ in range(14))
    return body + luhn(body)


def token_of(rng):
    return 'ghp' + '_' + ''.join(rng.choice('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789') for _ in range(36))


def files(count, seed=20261126):
    """path -> (language, text, values), the same every time."""
    rng = random.Random(seed)
    made = {}
    for n in range(count):
        language = list(LANGUAGES)[n % len(LANGUAGES)]
        values = [card_of(rng), card_of(rng), token_of(rng)]
        text = LANGUAGES[language].format(card=values[0], other=values[1], token=values[2], n=n, comment=f'file {n}')
        made[f'src/{language}/f{n}.{language}'] = (language, text, values)
    return made


# ---- the edits: from {path: text} of one file to {path: text}; None: deleted ----

def lines_moved(path, text, rng):
    lines = text.splitlines(True)
    rng.shuffle(lines)
    return {path: ''.join(lines)}


def value_copied(path, text, rng):
    lines = text.splitlines(True)
    chosen = rng.choice([line for line in lines if CARD.search(line)])
    return {path: ''.join(lines) + chosen}


def value_deleted(path, text, rng):
    lines = text.splitlines(True)
    lines.remove(rng.choice([line for line in lines if CARD.search(line) or GITHUB.search(line)]))
    return {path: ''.join(lines)}


def file_renamed(path, text, rng):
    return {path: None, path.replace('/f', '/renamed'): text}


def renamed_and_edited(path, text, rng):
    return {path: None, path.replace('/f', '/moved'): text.replace('card', 'number') + '\n'}


def indented(path, text, rng):
    return {path: ''.join('        ' + line for line in text.splitlines(True))}


def quotes_changed(path, text, rng):
    return {path: text.replace('"', "'")}


def line_ends_changed(path, text, rng):
    return {path: text.replace('\n', '\r\n')}


def strings_joined(path, text, rng):
    return {path: CARD.sub(lambda m: 'a" + "' + m.group() + '" + "b', text)}


def values_swapped(path, text, rng):
    first, second = [m.group() for m in CARD.finditer(text)][:2]
    return {path: text.replace(first, '\0').replace(second, first).replace('\0', second)}


def lines_split(path, text, rng):
    return {path: text.replace(' = ', ' =\n        ').replace('": "', '":\n "')}


def half_edited(path, text, rng):
    return {path: GITHUB.sub(lambda m: m.group()[:20] + '0' * 20, text)}


def token_split(path, text, rng):
    return {path: GITHUB.sub(lambda m: m.group()[:20] + '" + "' + m.group()[20:], text)}


def file_copied(path, text, rng):
    return {path: text, path.replace('/f', '/copy'): text}


def value_taken_elsewhere(path, text, rng):
    return {path: text + '\n', path.replace('/f', '/test'): 'expect ' + GITHUB.search(text).group() + '\n'}


def words_added(path, text, rng):
    return {path: '\n' + text.replace('other', 'another') + '\n\n'}


EDITS = [lines_moved, value_copied, value_deleted, file_renamed, renamed_and_edited, indented, quotes_changed, line_ends_changed,
         strings_joined, values_swapped, lines_split, half_edited, token_split, file_copied, value_taken_elsewhere, words_added]
# A part of a stand-in: only a person can say what is meant.
UNSURE = {half_edited, token_split}
# Stand-ins in a file that they were not served in.
MOVED = {file_copied, value_taken_elsewhere}


def edit_of(number):
    return EDITS[number // len(LANGUAGES) % len(EDITS)]


def edited(number, path, text):
    return edit_of(number)(path, text, random.Random(number))


def work():
    """In the cell: every file is edited as it is seen there."""
    import os
    import sys
    for number, path in enumerate(sorted_paths(int(sys.argv[1]))):
        with open(path, newline='') as file:
            text = file.read()
        for name, after in edited(number, path, text).items():
            if after is None:
                os.rename(path, next(n for n in edited(number, path, text) if n != path))
                continue
            with open(name, 'w', newline='') as file:
                file.write(after)


def sorted_paths(count):
    return [f'src/{list(LANGUAGES)[n % len(LANGUAGES)]}/f{n}.{list(LANGUAGES)[n % len(LANGUAGES)]}' for n in range(count)]


if __name__ == '__main__':
    work()
