import { type Clock, systemClock, type Timer } from '@changeover/core';
import { visibleText } from './plain-text.ts';

/** Anything that takes lines. */
export interface LineSink {
  write(line: string): unknown;
}

/** After so long a line that came again is told of, in ms. */
const foldMs = 5_000;
const mostFields = 300;

/** Says what JSON lines say to a person at a terminal: one line each, and a line that comes again and again once, with how often. */
export class TextLines implements LineSink {
  readonly #sink: LineSink;
  readonly #clock: Clock;
  #last = '';
  #repeats = 0;
  #timer: Timer | undefined = undefined;

  constructor(sink: LineSink, clock: Clock = systemClock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  write(line: string): void {
    const { time, text } = textOf(line);
    if (text === this.#last) {
      this.#repeats += 1;
      this.#timer ??= this.#clock.after(foldMs, () => {
        this.#tellRepeats();
      });
      return;
    }
    this.#tellRepeats();
    this.#last = text;
    this.#sink.write(`${time} ${text}\n`);
  }

  #tellRepeats(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#repeats === 0) return;
    const times = this.#repeats === 1 ? 'once more' : `${String(this.#repeats)} more times`;
    this.#repeats = 0;
    this.#sink.write(`         … the same ${times}\n`);
  }
}

function textOf(line: string): { readonly time: string; readonly text: string } {
  const { time, level, name, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(
      ([field, value]) => `${field}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    .join(' ');
  const told = [`${String(level).toUpperCase()} ${String(name)}: ${String(msg)}`, errorText(err)]
    .filter((part) => part !== '')
    .join(': ');
  const shown = rest === '' ? '' : `  [${visibleText(rest, mostFields)}]`;
  return { time: String(time).slice(11, 19), text: visibleText(told, Infinity) + shown };
}

/** Its stack is for a file. */
function errorText(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error === 'string' ? error : '';
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const text = typeof message === 'string' ? message : '';
  return typeof code === 'string' || typeof code === 'number' ? `${text} (${code})` : text;
}
