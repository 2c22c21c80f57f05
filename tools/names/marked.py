"""Files of texts with a line ---- between them, spans marked {person|Jane Roe}."""
import re


def marked_texts(path):
    """(text, [(start, end, kind)]) of each, in characters."""
    for part in re.split(r'^----\n', path.read_text(encoding='utf-8'), flags=re.M):
        text, spans, at = '', [], 0
        part = part.rstrip('\n')
        for match in re.finditer(r'\{(\w+)\|([^}]*)\}', part):
            text += part[at:match.start()]
            spans.append((len(text), len(text) + len(match.group(2)), match.group(1)))
            text += match.group(2)
            at = match.end()
        yield text + part[at:], spans
