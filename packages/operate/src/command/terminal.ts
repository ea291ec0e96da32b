import { styleText } from 'node:util';
import { visibleText } from '@changeover/bridge';
import { textWidth } from '../report/text-table.ts';

/** An answer as JSON. */
export type JsonAnswer = Readonly<Record<string, unknown>> & {
  /** What may be typed now, the most useful first; empty where waiting is all there is to do. */
  readonly next: readonly string[];
};

/** Where a command writes, and how. */
export interface Terminal {
  readonly format: 'text' | 'json';
  /** Columns that a line may take; undefined where no person reads it there, so that nothing is cut. */
  readonly width?: number | undefined;
  /** The answer: text for people, or the same as JSON. */
  answer(text: readonly string[], json: JsonAnswer): void;
  /** Something for people alone, before the answer. */
  say(text: readonly string[]): void;
  paint(style: Style, text: string): string;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** The streams of a process that a command uses. */
export interface Streams {
  readonly stdout: {
    write(text: string): unknown;
    readonly isTTY?: boolean;
    readonly columns?: number;
  };
  readonly stderr: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Colour only where a person reads it and hasn't said no (https://no-color.org: any value but the empty one). */
export function openTerminal({ stdout, env }: Streams, format: 'text' | 'json'): Terminal {
  const colour =
    format === 'text' &&
    stdout.isTTY === true &&
    (env['NO_COLOR'] ?? '') === '' &&
    env['TERM'] !== 'dumb';
  const width = widthOf(stdout);
  const lines = (text: readonly string[]): string =>
    text.flatMap((line) => wrapped(harmless(line), width)).join('\n');
  return {
    format,
    width,
    answer(text, json) {
      stdout.write(format === 'json' ? `${JSON.stringify(json, null, 2)}\n` : `${lines(text)}\n`);
    },
    say(text) {
      if (format === 'text') stdout.write(`${lines(text)}\n`);
    },
    paint: (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** As wide as a terminal is; undefined for a file or a pipe. */
export function widthOf({ isTTY, columns }: Streams['stdout']): number | undefined {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
}

/** As many lines as it takes to stay within a terminal's columns, broken between words and below what a label or an indent begins. */
function wrapped(line: string, width = Infinity): string[] {
  // A command is to be copied: the terminal's own break is none in what is copied.
  if (shownLength(line) <= width || / *(?:\w+: +)?(?:npx )?changeover \w/y.test(line))
    return [line];
  const [start = ''] = /^ *(?:\S+ {2,})?/.exec(line) ?? [];
  const indent = shownLength(start) > width / 2 ? '' : ' '.repeat(shownLength(start));
  const broken = [start];
  for (const word of line.slice(start.length).split(' ')) {
    const last = broken.at(-1) ?? '';
    const isFirst = last === start || last === indent;
    if (isFirst || shownLength(last) + 1 + shownLength(word) <= width)
      broken[broken.length - 1] = isFirst ? `${last}${word}` : `${last} ${word}`;
    else broken.push(`${indent}${word}`);
  }
  return broken;
}

/** In columns, colours left out. */
function shownLength(text: string): number {
  return textWidth(
    text
      .split(painted)
      .filter((_part, at) => at % 2 === 0)
      .join(''),
  );
}

/** One line whose only escapes are those of {@link Terminal.paint}: a reason or a name from data must not steer a terminal. */
export function harmless(line: string): string {
  return line
    .split(painted)
    .map((part, at) => (at % 2 === 1 ? part : visibleText(part, Infinity)))
    .join('');
}

// Colours and nothing else: they can't move, clear or type.
const painted = /(\u001b\[\d{1,2}m)/;
