const context = 3;

type Line = readonly [mark: ' ' | '-' | '+', text: string];

/** The difference of two texts as `diff -u` writes it; the empty text where there is none. */
export function unifiedDiff(path: string, before: string, after: string): string {
  if (before === after) return '';
  const lines = compareLines(before.split('\n'), after.split('\n'));
  const hunks: string[] = [];
  let from = 0;
  while (from < lines.length) {
    const first = lines.findIndex(([mark], at) => at >= from && mark !== ' ');
    if (first < 0) break;
    const start = Math.max(from, first - context);
    const end = hunkEnd(lines, first);
    hunks.push(hunkText(lines, start, end));
    from = end;
  }
  return [`--- a/${path}`, `+++ b/${path}`, ...hunks, ''].join('\n');
}

/** Where a hunk ends: after its last change there are at least two contexts without one. */
function hunkEnd(lines: readonly Line[], first: number): number {
  let last = first;
  for (let at = first; at < lines.length && at - last <= 2 * context; at += 1)
    if (lines[at]?.[0] !== ' ') last = at;
  return Math.min(lines.length, last + 1 + context);
}

function hunkText(lines: readonly Line[], start: number, end: number): string {
  const count = (until: number, but: '-' | '+', from = 0): number =>
    lines.slice(from, until).filter(([mark]) => mark !== but).length;
  const range = (but: '-' | '+'): string => `${count(start, but) + 1},${count(end, but, start)}`;
  const body = lines.slice(start, end).map(([mark, text]) => `${mark}${text}`);
  return [`@@ -${range('+')} +${range('-')} @@`, ...body].join('\n');
}

/** By the longest common subsequence of what lies between the common beginning and end. */
function compareLines(before: readonly string[], after: readonly string[]): Line[] {
  let head = 0;
  while (head < before.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (
    tail < Math.min(before.length, after.length) - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail += 1;
  const same = (part: readonly string[]): Line[] => part.map((text) => [' ', text]);
  return [
    ...same(before.slice(0, head)),
    ...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

function middle(before: readonly string[], after: readonly string[]): Line[] {
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width);
  const length = (one: number, other: number): number => lengths[one * width + other] ?? 0;
  for (let one = before.length - 1; one >= 0; one -= 1)
    for (let other = after.length - 1; other >= 0; other -= 1)
      lengths[one * width + other] =
        before[one] === after[other]
          ? length(one + 1, other + 1) + 1
          : Math.max(length(one + 1, other), length(one, other + 1));
  const lines: Line[] = [];
  let [one, other] = [0, 0];
  while (one < before.length || other < after.length) {
    const [left, right] = [before[one], after[other]];
    if (left !== undefined && left === right) {
      lines.push([' ', left]);
      one += 1;
      other += 1;
    } else if (
      left !== undefined &&
      (right === undefined || length(one + 1, other) >= length(one, other + 1))
    ) {
      lines.push(['-', left]);
      one += 1;
    } else {
      lines.push(['+', right ?? '']);
      other += 1;
    }
  }
  return lines;
}
