import { styleText } from 'node:util';
import { visibleText } from '@changeover/bridge';

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
  return {
    format,
    width: widthOf(stdout),
    answer(text, json) {
      stdout.write(
        format === 'json'
          ? `${JSON.stringify(json, null, 2)}\n`
          : `${text.map(harmless).join('\n')}\n`,
      );
    },
    say(text) {
      if (format === 'text') stdout.write(`${text.map(harmless).join('\n')}\n`);
    },
    paint: (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** As wide as a terminal is; undefined for a file or a pipe. */
export function widthOf({ isTTY, columns }: Streams['stdout']): number | undefined {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
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
